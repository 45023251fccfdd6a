import { BlockList, isIP } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** Returns whether all addresses of a gRPC target (`host:port`, `dns:///host:port`, `ipv4:...,...`) are loopback. */
export function isLoopback(target: string): boolean {
  if (target.startsWith("unix:")) {
    return true;
  }
  const addresses = target.replace(/^(dns|ipv4|ipv6):/, "").replace(/^.*\//, "");
  return addresses.split(",").every(isLoopbackAddress);
}

function isLoopbackAddress(address: string): boolean {
  const host = /^\[(.*)\]/.exec(address)?.[1] ?? address.replace(/:.*/, "");
  const family = isIP(host);
  return family === 0 ? host === "localhost" : LOOPBACK.check(host, family === 4 ? "ipv4" : "ipv6");
}
