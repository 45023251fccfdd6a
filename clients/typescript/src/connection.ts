/** The options of the gRPC channel. */
import type { ChannelOptions } from "@grpc/grpc-js";

import { isLoopback } from "./addresses.js";
// The service config sets gRPC's retry policy and spreads calls over all addresses of the target. Retrying charges and
// refunds is safe because this client gives each of them a request_id.
import serviceConfig from "./generated/service_config.js";
import { VERSION } from "./version.js";

export const DEFAULT_TARGET = "127.0.0.1:50051";

const DEFAULT_OPTIONS: ChannelOptions = {
  "grpc.service_config": JSON.stringify(serviceConfig),
  "grpc.enable_retries": 1,
  // Without this, a DNS TXT record could replace the service config.
  "grpc.service_config_disable_resolution": 1,
  // Reconnect to a restarted service within a second; gRPC's default maximum backoff is two minutes.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // Close a dead connection when a keepalive ping is not acknowledged within 5 seconds. Pings are sent at most once a
  // minute and only during calls (gRFC A8). Node.js cannot detect it earlier, because it cannot set TCP_USER_TIMEOUT
  // (gRFC A18).
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 5_000,
};

/**
 * Returns the client's own channel options, overridden by `options`.
 *
 * The service sees `userAgent`, followed by the user agents of this client and gRPC.
 */
export function channelOptions(target: string, options: ChannelOptions, userAgent: string): ChannelOptions {
  return {
    ...DEFAULT_OPTIONS,
    // A proxy from the environment (https_proxy) cannot reach this machine's loopback, and must not see an API key.
    ...(isLoopback(target) ? { "grpc.enable_http_proxy": 0 } : {}),
    "grpc.primary_user_agent": `${userAgent} payments-client-typescript/${VERSION}`.trimStart(),
    ...options,
  };
}
