/**
 * Every stable error code with its cause and what to do about it. Codes are public API: never renamed, never reused.
 * The README's table is compared with this list by a test.
 */
export const errorCodes = {
  // Starting and configuration
  CFG_UNREADABLE: [
    'The configuration file is missing or cannot be read',
    'Check the path after --config and its permissions',
  ],
  CFG_INVALID: [
    'The configuration is not valid; every problem is listed with its path',
    'Correct each listed line and try --check-config',
  ],
  KEY_UNREADABLE: [
    'A key or token file is missing, empty or malformed',
    'Create it as the README says, or restore it',
  ],
  KEY_EXPOSED: [
    'A key file can be read by group or others',
    'chmod 600 FILE, and think about who could have copied it',
  ],
  KEY_FOREIGN: [
    'The identifier keys are not those this database was made with, or one that a rotation added is missing',
    'Restore the key files, all of them and in their order; docs/keys.md',
  ],
  TILL_WIPED: [
    'The server ordered this till to destroy its keys and data; it does not start again',
    'If it was found again, set it up like a new till; docs/keys.md',
  ],
  DATA_IN_USE: [
    'Another process works on the same data folder',
    'Stop the other process; never copy a data folder to a second till',
  ],
  DATA_DISK_FULL: [
    'The disk that holds the data folder is full',
    'Free space; nothing confirmed was lost, nothing new is taken',
  ],
  DATA_UNWRITABLE: ['The data folder cannot be written', 'Check mount and permissions of the data folder'],
  PORT_IN_USE: ['The address to listen on is taken', 'Stop the other process or configure another port'],
  // Readers
  DRV_UNKNOWN_KIND: [
    'The configuration names a reader kind that does not exist',
    'Use one of the kinds listed in the message',
  ],
  DRV_PORT_ABSENT: ['The device or address of a reader is not there', 'Plug it in; it is reopened by itself'],
  DRV_PORT_DENIED: [
    'The device of a reader may not be opened',
    'Give the service account access (group dialout, udev rule)',
  ],
  DRV_PORT_BUSY: ['Another program holds the device of a reader', 'Close the other program'],
  DRV_PORT_LOST: [
    'The device of a reader vanished or the connection broke',
    'Check cable and power; it is reopened by itself',
  ],
  DRV_AMBIGUOUS: [
    'Several attached devices are what a reader is configured as',
    'Add the serialNumber, usbPort or interface the message lists to the reader’s device',
  ],
  DRV_HID_MODE: [
    'The device of a reader is attached but in another mode, such as keyboard',
    'Switch it with the programming code in its manual, or configure the kind it speaks',
  ],
  DRV_HID_LAYOUT: [
    'Where the data lies in the reports of a HID reader is not known',
    'Switch it to serial mode (USB COM), or report its model',
  ],
  DRV_LIBRARY: [
    'The library a reader needs cannot be loaded',
    'Install what the message names; on Debian libudev1 and libusb-1.0-0',
  ],
  DRV_OVERLONG: [
    'A reader sent more than the frame limit without a terminator; the excess was discarded',
    'Check the terminator setting of the scanner',
  ],
  DRV_NOISE: ['A reader sent bytes that are no frame', 'Check baud rate and framing of the scanner'],
  MSR_UNREADABLE: [
    'A card was swiped and nothing of its stripe could be read',
    'Swipe it again, steadily and with the stripe to the head; clean the reader if it repeats',
  ],
  MSR_ENCRYPTED: [
    'The magnetic stripe reader encrypted what was swiped, as it does with bank cards; nothing of it is kept',
    'Use a loyalty card; if it was one, set the reader to encrypt bank cards only',
  ],
  DRV_TERMINAL_SILENT: [
    'A payment terminal is connected but does not answer',
    'Check that it is idle, speaks ZVT on this line and is used by no cash register; it is tried again by itself',
  ],
  DRV_TERMINAL_REFUSED: [
    'A payment terminal refuses to register or to read cards; the log has its own code',
    'Have Read Card (06 C0) and the register password enabled by whoever runs the terminal',
  ],
  // Sharing a reader with the POS
  PASS_PATH_DENIED: [
    'The virtual serial port for the POS cannot be made under its path',
    'Create the folder and let the service account write there (systemd: RuntimeDirectory=); remove a file of that name',
  ],
  PASS_UNSUPPORTED: [
    'This system has no pseudo-terminals to serve the POS with',
    'Install a virtual COM pair and use an output of kind serial, or use tcp-listen',
  ],
  PASS_POS_ABSENT: [
    'The POS, or the port it is served by, is not there or went away',
    'Start the POS and check the output’s path or address; it is tried again by itself',
  ],
  READER_NOT_READY: [
    'The reader is not open, or reads by itself and cannot be asked to',
    'Look at its status; only a payment terminal with mode.when on-request waits to be asked',
  ],
  READER_NOT_FOUND: ['There is no such reader on this till', 'Use an id from GET /v1/status'],
  CLAIM_HELD: [
    'Another client has claimed the reader',
    'Wait until it lets go, disconnects or its lease ends; GET /v1/status shows whose it is',
  ],
  CLAIM_CLIENT_GONE: [
    'The client that claims a reader is not connected to /v1/events',
    'Connect first and send the clientId of the event hello',
  ],
  // Recognition
  PAN_REJECTED: [
    'A payment card number was presented; nothing of it is kept',
    'Use a loyalty card; follow docs/pci-runbook.md if it came from a printed code or a file',
  ],
  REC_NOT_TEXT: [
    'A scan is not readable text (control characters or invalid UTF-8)',
    'Scan again; check the scanner’s symbology settings',
  ],
  REC_TOO_LONG: ['A scan is longer than 512 bytes', 'Scan the right code'],
  REC_ALIAS: [
    'A payment terminal told a reference of a bank card that is none',
    'Check the terminal’s software; docs/payment-terminals.md says what it should tell',
  ],
  REC_CHECK_DIGIT: ['A number fits a card scheme but its check digit is wrong', 'Scan or type it again'],
  // App codes
  APP_CODE_MALFORMED: [
    'A scan begins like an app code and is none: wrong length, wrong characters, not the one canonical form',
    'Scan again; report it to the makers of the app if it repeats',
  ],
  APP_CODE_VERSION: ['An app code has a version this program does not know', 'Update this program'],
  APP_CODE_SIGNATURE: [
    'An app code is not signed by the phone it names, or for another programme',
    'Ask for the plastic card; it may be a forgery',
  ],
  APP_CODE_EXPIRED: [
    'An app code is too old: a screenshot, or a phone whose clock is wrong',
    'Ask the customer to show a new code',
  ],
  APP_CODE_FUTURE: [
    'An app code is from the future: the clock of the phone or of the till is wrong',
    'Set the clocks; the customer can show the plastic card meanwhile',
  ],
  APP_CODE_REVOKED: [
    'An app code is from a phone that is no longer the customer’s, or whose key is not kept any more',
    'The customer enrols the phone again in the app',
  ],
  REPLAY: ['An app code was shown before', 'Ask the customer to show a new code'],
  SCANNER_LAYOUT: [
    'The scanner types in another keyboard layout than the till expects',
    'Set the layout of the scanner or of the reader’s configuration',
  ],
  // Replica
  REP_WRONG_KEY: [
    'The replica cannot be opened with this key',
    'Restore the key file, or remove the replica file: it is loaded again',
  ],
  REP_CORRUPT: ['The replica file is damaged', 'It is set aside and loaded again from the server'],
  REP_POISONED: [
    'The replica met an unexpected error and refuses further work until reopened',
    'It is reopened by itself; if it repeats, check the disk',
  ],
  REP_EPOCH_CHANGED: ['The server was restored or replaced', 'The replica is loaded again by itself'],
  REP_SNAPSHOT_REQUIRED: [
    'The till was away for longer than the server remembers what is gone, or its scope is another one now',
    'The replica is loaded again by itself',
  ],
  REP_CHUNK_GONE: [
    'A part of a snapshot is no longer kept by the server',
    'Nothing: the till asks for the present snapshot and goes on with that',
  ],
  REP_CHUNK_WRONG: [
    'A part of a snapshot is not what its name or the server’s list says, however it was fetched',
    'It is tried again by itself; if it repeats, look for what alters downloads between till and server',
  ],
  REP_SEED_INCOMPLETE: [
    'A snapshot was loaded and the till does not hold what it should',
    'It is loaded anew by itself; if it repeats, check the disk and tell support',
  ],
  REP_OUTDATED: [
    'The replica file was made by another version of this program',
    'Nothing: it is loaded again from the server by itself, once after an update',
  ],
  REP_ROLLED_BACK: [
    'The replica file is older than the till remembers, or what the till remembers is gone',
    'Nothing: it is compared with the server first; if nobody restored files here, look into who did',
  ],
  REP_FOREIGN: [
    'The replica file belongs to another till or tenant, or bears the name of another generation',
    'Never copy a data folder, nor rename what is in it; the file is removed and loaded again from the server',
  ],
  REP_DIVERGED: [
    'The replica differs from the server even after it was repaired',
    'It is loaded again by itself; if it repeats, check the disk and tell support',
  ],
  REP_WRITER_LOST: [
    'The part of the till that keeps the replica up to date has stopped unexpectedly',
    'It is started again by itself and lookups go on; if it repeats, check memory and disk',
  ],
  // Journal
  JRN_WRONG_KEY: [
    'The journal cannot be opened with this key',
    'Restore the key file; never delete the journal',
  ],
  JRN_CORRUPT: [
    'The journal is damaged or its hash chain does not add up',
    'Stop; keep the file; call support',
  ],
  JRN_FULL: ['The journal holds its limit of unconfirmed entries', 'Restore the connection to the server'],
  JRN_UNANSWERED: [
    'Entries were sent again and again, and no server confirmed them; they are kept',
    'See that a server runs, and that the broker lets this till publish on its journal and read its receipts',
  ],
  JRN_DIVERGED: [
    'The server holds another entry under this till’s sequence',
    'A copied or restored disk: the entries wait in quarantine; stop the till and let it rejoin, docs/journal.md',
  ],
  // Local API
  API_UNAUTHORISED: [
    'The bearer token is missing or wrong',
    'Send Authorization: Bearer with the content of the token file',
  ],
  API_READ_ONLY: ['The token may only read', 'Use the token of the POS for what changes something'],
  API_FORBIDDEN_HOST: [
    'The Host header is not this service',
    'Call it by 127.0.0.1, localhost or [::1] and its port',
  ],
  API_FORBIDDEN_ORIGIN: ['The Origin is not allowed', 'List the POS page’s origin under api.allowedOrigins'],
  API_MEDIA_TYPE: ['The body is not application/json', 'Send Content-Type: application/json'],
  API_INVALID: [
    'The request does not fit the schema; every problem is listed',
    'Correct the request; see /openapi.json',
  ],
  API_TOO_LARGE: ['The request body is larger than allowed', 'Send less'],
  API_RANGE: [
    'The bytes asked for lie beyond the end',
    'Ask for bytes there are; Content-Range says how many',
  ],
  API_NOT_FOUND: ['There is no such resource', 'Check the address'],
  API_INTERNAL: ['An unexpected fault; the log has the details', 'Try again; report it if it repeats'],
  SALE_NOT_FOUND: ['There is no such sale on this till', 'Open it first'],
  SALE_CLOSED: ['The sale is completed or voided and cannot change', 'Open a new sale'],
  SALE_CONFLICT: ['The same sale id was used with other content', 'Use a new id for a new sale'],
  SALE_TOTAL: [
    'The basket’s amounts do not add up or mix currencies',
    'Send line totals that are quantity × unit price less discount',
  ],
  RETURN_LINE_UNKNOWN: ['The sale has no such line', 'Return lines by the ids they had in the sale'],
  RETURN_CONFLICT: ['The return id was used for other goods', 'Use a new id for a new return'],
  RETURN_QUANTITY: ['A returned quantity is not above zero', 'Send what came back as a positive quantity'],
  RETURN_TOO_MUCH: [
    'More of a line was returned than was bought and not yet returned',
    'Nothing was taken back for this return; look at the earlier returns of the sale',
  ],
  BURN_OFF: ['The programme lets nothing be paid with points', 'Set burn in the programme to allow it'],
  BURN_STEP: ['The points are no multiple of the programme’s step', 'Round down to a whole step'],
  BURN_TOO_FEW: ['Fewer points than the programme redeems', 'Redeem at least burn.minPoints'],
  BURN_TOO_MUCH: [
    'The points are worth more than may be paid with points of this basket',
    'Redeem no more than the basket’s highest number of points',
  ],
  BURN_BALANCE: ['The customer has fewer usable points', 'Redeem no more than the balance'],
  REDEEM_CONFLICT: [
    'The redemption id was used for other points or another sale, or was let go',
    'Use a new id for a new redemption',
  ],
  REDEEM_TRUST: [
    'What the customer showed does not allow paying with points here and now',
    'Let them show the app, or pay when the server can be reached',
  ],
  REDEEM_OFFLINE: [
    'The server does not answer, and this till has no valid allowance to redeem without it',
    'Try again when the till is online; set redemption.offline in the programme to allow it',
  ],
  REDEEM_LIMIT_CUSTOMER: [
    'More points than one customer may redeem without the server',
    'Redeem fewer, or try again when the till is online',
  ],
  REDEEM_LIMIT_TILL: [
    'This till has given out all it may redeem without the server',
    'Try again when the till is online',
  ],
  LATE_OFF: [
    'The programme credits no sales afterwards',
    'Set lateCredit in the programme to allow it; show the card with the sale',
  ],
  LATE_CODE: ['This is no code of a receipt of this programme', 'Scan the code on the receipt again'],
  LATE_CONFLICT: ['The claim id was used for another receipt or customer', 'Use a new id for a new claim'],
  LATE_TAKEN: ['The sale belongs to somebody, or its receipt was claimed before', 'Nothing: it counts once'],
  LATE_EXPIRED: ['The receipt is too old to be claimed', 'lateCredit.withinHours says for how long'],
  LATE_OWN_SHIFT: [
    'Whoever made the sale cannot credit it to a customer in the same shift',
    'Let somebody else do it, or the customer service',
  ],
  SALE_LIMIT: ['Too many sales are open on this till', 'Complete or void open sales'],
  CARD_UNKNOWN: [
    'The card belongs to nobody, by the word of the server or of a complete replica',
    'Nothing: the sale is kept against the card, and points follow once it is somebody’s',
  ],
  CARD_UNREACHED: [
    'The card is not on this till and the server did not answer in time',
    'Nothing: the server settles the sale; if it repeats, check network and server',
  ],
  LINK_NOT_OPEN: [
    'The question whether to link a bank card is no longer open, or never was',
    'Present the card again while the customer is identified by their own card or app',
  ],
  LINK_TEXT_OUTDATED: [
    'The answer names another consent text than the one that is asked with',
    'Show the text of the question and answer with its version',
  ],
  // Wire
  BUS_UNREACHABLE: [
    'The message broker cannot be reached',
    'Check network and broker; the till keeps working',
  ],
  BUS_TIMEOUT: ['The broker or server did not answer in time', 'It is tried again by itself'],
  BUS_FORBIDDEN: [
    'The broker does not take what this till publishes',
    'Check the broker’s access list: a till publishes on journal, request and state below its own name',
  ],
  BUS_REFUSED: ['The broker refused the connection', 'Check credentials and client id'],
  REQ_REFUSED: [
    'The server refused what the till asked, for a reason this program does not know',
    'See the message; update the older side',
  ],
  REQ_LIMITED: [
    'A till asked for more cards than customers can present to it, and was not answered',
    'Find out who asks: a till that was stolen or broken into tries card numbers; withdraw its token',
  ],
  WIRE_MALFORMED: ['A message is not valid', 'It was dropped and counted; update the sender'],
  WIRE_TOO_NEW: ['A message has a newer version than this program speaks', 'Update this program'],
  WIRE_FOREIGN: ['A message names another till or tenant', 'Check topic permissions of the broker'],
  WIRE_SIGNATURE: [
    'A message is not signed by the server',
    'Check keys.serverPublicKeyFile; look for an intruder',
  ],
  WIRE_EXPIRED: ['A message has expired or is older than one already obeyed', 'Check the clocks'],
  // Server
  DB_UNREACHABLE: [
    'The database cannot be reached, or takes no writes',
    'Check its address, that it runs, that its disk is not full and that it is not a standby',
  ],
  FEED_HELD_BACK: [
    'A transaction in some database of the PostgreSQL does not end, and keeps changes from all tills',
    'End it: the log names its process and database; else look into pg_stat_activity (backend_xid) and pg_prepared_xacts',
  ],
  DB_MIGRATION: ['A schema migration failed', 'See the log; restore the backup if needed'],
  DB_MIGRATION_AWAITED: [
    'Another server has been bringing the schema, or the feed of a restored database, up to date for very long',
    'Look for database.migrating or database.renewing in its log; start this one again when it says database.migrated or database.new_epoch',
  ],
  SIGN_EXHAUSTED: [
    'The server’s clock, or what it once stored, is centuries ahead: no version of its statements would be left',
    'Set the server’s clock right and start it again; call support if it repeats',
  ],
  LEDGER_CONFLICT: [
    'The same till and sequence came with other content',
    'It is quarantined, nothing was overwritten; call support',
  ],
  LEDGER_REFUSED: [
    'The database does not take what an entry says; the entry is kept, nothing was posted',
    'See intake.entry_refused in the log; report it: the entry should have been refused earlier',
  ],
  LEDGER_REENTERED: [
    'An entry that stands in another journal was entered once more, by a till that rejoined',
    'Nothing: it counts once',
  ],
  QUARANTINE_SETTLED: [
    'The quarantined entry was settled before, in the other way',
    'See GET /v1/quarantine; a settlement is not changed, what was posted is adjusted',
  ],
  LEDGER_CHAIN: ['An entry does not continue the till’s hash chain', 'It is quarantined; call support'],
  KEY_TILLS_BEHIND: [
    'A rotation of the identifier key cannot end yet; the message names the tills and what each lacks',
    'Give those tills the new key and let them connect, or name those that are gone in ignoreTills; docs/keys.md',
  ],
  KEY_OUTDATED: [
    'This server process was started before an identifier key was added, and gives out no cards',
    'Start every server process anew with all of addedIdentifierKeyFiles; docs/keys.md',
  ],
  WIPE_AMBIGUOUS: [
    'Several tills had this name, or the one that was named had not; the message lists their journals',
    'Name the one that is meant as incarnation: the stolen till is the one last seen before it was gone',
  ],
  SCOPE_FOREIGN: [
    'A till asks for the customers of a store it does not stand in, as far as the server knows',
    'If it was moved, PUT /v1/tills/{till}/store; if not, find out who asks and withdraw its token',
  ],
  CUSTOMER_ERASED: [
    'A customer of this id was erased on request',
    'Take them out of the import; with afterErasure they are made anew',
  ],
  CUSTOMER_NOT_FOUND: ['There is no such customer', 'Check the id'],
  CARD_NOT_FOUND: ['There is no such card', 'Check the id'],
  CARD_TAKEN: ['This card number already belongs to someone', 'Use another number'],
  DEVICE_NOT_FOUND: ['The customer has no such device', 'Check the ids'],
  DEVICE_KEY_UNSOUND: [
    'A device’s public key is no point others could not sign for',
    'Make a new key pair in the app; never choose a key by hand',
  ],
  DEVICE_LIMIT: ['The customer has as many devices as are allowed', 'Revoke one that is no longer used'],
  PROGRAMME_OUTDATED: [
    'The programme’s version is not newer than the one in force',
    'Raise version with every change',
  ],
  LINK_TAKEN: [
    'The bank card belongs to another customer, or what was linked is no bank card; nothing was changed',
    'Its customer must withdraw first (POST /v1/customers/:id/bank-cards/:cardId/withdraw)',
  ],
  LINK_TEXT_UNKNOWN: [
    'The consent to a link names a text this server never published in that version and language',
    'Ask again with the programme’s present text; never change a text without raising its version',
  ],
  CARD_NUMBER_INVALID: ['The number fits no card scheme', 'Check the number or the schemes'],
} as const satisfies Record<string, readonly [cause: string, remedy: string]>;

export type ErrorCode = keyof typeof errorCodes;
