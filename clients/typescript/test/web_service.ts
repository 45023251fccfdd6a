/** A fake service that speaks gRPC-Web, whose responses the test defines. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

import type { Fault } from "./service.js";

const PREFIX_BYTES = 5;

export interface WebCall {
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** The serialized request. */
  readonly request: Buffer;
  readonly response: ServerResponse;
}

/** Starts a service that lets `respond` respond to each call, and returns its URL. It stops after the test. */
export async function startWebService(t: TestContext, respond: (call: WebCall) => void): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).subarray(PREFIX_BYTES);
      respond({ path: request.url, headers: request.headers, request: body, response });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Starts a response. */
export function start(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/grpc-web+proto" });
}

/** Sends one message of a response. */
export function send(response: ServerResponse, message: Uint8Array): void {
  response.write(frame(0, message));
}

/** Ends a response with trailers. */
export function end(response: ServerResponse, trailers: Record<string, string> = {}): void {
  const lines = Object.entries({ "grpc-status": "0", ...trailers }).map(([name, value]) => `${name}:${value}\r\n`);
  response.end(frame(0x80, Buffer.from(lines.join(""))));
}

/** Sends a complete response with one message. */
export function reply(response: ServerResponse, message: Uint8Array): void {
  start(response);
  send(response, message);
  end(response);
}

/** Ends a call with an error: in the HTTP headers, or in the body if the response has started. */
export function fail(response: ServerResponse, fault: Fault): void {
  const trailers = {
    "grpc-status": String(fault.code),
    "grpc-message": encodeURIComponent(fault.details),
    ...Object.fromEntries(
      Object.keys(fault.metadata.getMap()).map((name) => {
        const [value = ""] = fault.metadata.get(name);
        return [name, typeof value === "string" ? value : value.toString("base64")];
      }),
    ),
  };
  if (response.headersSent) {
    end(response, trailers);
  } else {
    response.writeHead(200, { "content-type": "application/grpc-web+proto", ...trailers }).end();
  }
}

function frame(flags: number, content: Uint8Array): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt8(flags);
  prefix.writeUInt32BE(content.length, 1);
  return Buffer.concat([prefix, content]);
}
