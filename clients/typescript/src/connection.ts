/** How the client sets up its channel. */
import type { ChannelOptions } from "@grpc/grpc-js";

import { isLoopback } from "./addresses.js";
// Which calls gRPC repeats by itself, on what and when; and that it spreads calls over all addresses of the target. Each
// call that changes something is in it because this client gives it a request_id, which makes it safe to repeat.
import serviceConfig from "./generated/service_config.js";
import { VERSION } from "./version.js";

export const DEFAULT_TARGET = "127.0.0.1:50051";
export const DEFAULT_TIMEOUT_SECONDS = 10;

const DEFAULT_OPTIONS: ChannelOptions = {
  "grpc.service_config": JSON.stringify(serviceConfig),
  "grpc.enable_retries": 1,
  // gRPC for Node would let a TXT record of the service's name replace the config above.
  "grpc.service_config_disable_resolution": 1,
  // A service that restarts is found again within a second; gRPC's own maximum is two minutes.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // A connection whose other end vanished is given up when a ping is not answered within 5 seconds. Node cannot set
  // TCP_USER_TIMEOUT (gRFC A18), so it takes a ping, sent once a minute at most and only during calls (gRFC A8).
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 5_000,
};

/**
 * The channel's options: the client's own, each replaced by one of the same name in `options`.
 *
 * `userAgent` comes first in the user agent that the service sees, before the client's and gRPC's.
 */
export function channelOptions(target: string, options: ChannelOptions, userAgent: string): ChannelOptions {
  return {
    ...DEFAULT_OPTIONS,
    // A proxy of the environment's (https_proxy) cannot reach this machine's loopback, and must not see an API key.
    ...(isLoopback(target) ? { "grpc.enable_http_proxy": 0 } : {}),
    "grpc.primary_user_agent": `${userAgent} payments-client-typescript/${VERSION}`.trimStart(),
    ...options,
  };
}
