import { type ChannelCredentials, Metadata } from "@grpc/grpc-js";

import { isLoopback } from "./addresses.js";

/**
 * Returns the metadata to send with every call: the API key as a bearer token (RFC 6750), or nothing.
 *
 * @throws RangeError if the key would be sent unencrypted to another machine, or is not printable ASCII without spaces.
 *   The message does not contain the key.
 */
export function callMetadata(target: string, credentials: ChannelCredentials, apiKey: string | undefined): Metadata {
  const metadata = new Metadata();
  if (apiKey === undefined) {
    return metadata;
  }
  if (!/^[!-~]+$/.test(apiKey)) {
    throw new RangeError("apiKey must be 1 or more printable ASCII characters without spaces");
  }
  if (!credentials._isSecure() && !isLoopback(target)) {
    throw new RangeError("apiKey needs credentials (TLS), unless the target is a loopback address");
  }
  metadata.set("authorization", `Bearer ${apiKey}`);
  return metadata;
}
