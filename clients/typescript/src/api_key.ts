import { type ChannelCredentials, Metadata } from "@grpc/grpc-js";

import { isLoopback } from "./addresses.js";

/**
 * The metadata of every call: the API key, if there is one, as a bearer token (RFC 6750).
 *
 * @throws RangeError the key would be sent in the clear to another machine, or is no printable ASCII without spaces. The
 *   key is not in the message.
 */
export function callMetadata(target: string, credentials: ChannelCredentials, apiKey: string | undefined): Metadata {
  const metadata = new Metadata();
  if (apiKey === undefined) {
    return metadata;
  }
  if (!/^[!-~]+$/.test(apiKey)) {
    throw new RangeError("apiKey must be printable ASCII characters without spaces, 1 at least");
  }
  if (!credentials._isSecure() && !isLoopback(target)) {
    throw new RangeError("apiKey needs credentials (TLS), unless the target is this machine's loopback address");
  }
  metadata.set("authorization", `Bearer ${apiKey}`);
  return metadata;
}
