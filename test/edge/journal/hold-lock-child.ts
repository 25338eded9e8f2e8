import { DataFolderLock } from '../../../edge/journal/data-folder-lock.ts';

await DataFolderLock.open(process.argv[2] ?? '');
process.stdout.write('held\n');
setInterval(() => {}, 1_000);
