import { z } from 'zod';

/** How long one request may take, ms. */
const REQUEST_DEADLINE_MS = 30_000;

const Refusal = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

/** A request that was answered with a refusal. */
class RequestRefused extends Error {
  readonly status: number;
  /** The service's own code, such as SALE_CLOSED; empty when it sent none. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'RequestRefused';
    this.status = status;
    this.code = code;
  }
}

/** Calls one of the project's HTTP APIs as any program would: JSON, a bearer token, answers checked by schema. */
export class JsonClient {
  readonly url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.#token = token;
  }

  /** @throws RequestRefused · Error when the service cannot be reached or answers with something else */
  async call<T extends z.ZodType>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    answer: T,
    body?: unknown,
  ): Promise<z.infer<T>> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
    });
    const text = await response.text();
    if (!response.ok) {
      const refusal = Refusal.safeParse(parse(text));
      const { code, message } = refusal.success
        ? refusal.data.error
        : { code: '', message: text.slice(0, 200) };
      throw new RequestRefused(
        response.status,
        code,
        `${method} ${path}: ${response.status} ${message} [${code}]`,
      );
    }
    const parsed = answer.safeParse(parse(text));
    if (parsed.success) return parsed.data;
    throw new Error(`${method} ${path} was answered with something else: ${z.prettifyError(parsed.error)}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
