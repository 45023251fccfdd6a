package payments;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The addresses in a gRPC target: {@code host:port}, {@code dns:///host:port}, {@code ipv4:...,...}. */
final class Addresses {
    private static final Pattern TARGET = Pattern.compile("(?:(?:dns|ipv4|ipv6):(?:///|/)?)?(?<addresses>[^/]+)");
    private static final Pattern ADDRESS =
            Pattern.compile("(?<host>\\[[0-9A-Fa-f:.]+]|[0-9A-Za-z._-]+)(?::(?<port>[0-9]{1,5}))?");
    private static final String OCTET = "(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])";
    private static final Pattern IPV4 = Pattern.compile(OCTET + "(?:\\." + OCTET + "){3}");

    /** The port that gRPC assumes for an address without one. */
    private static final int DEFAULT_PORT = 443;

    private Addresses() {}

    /** {@return whether every address of the target is known to be a loopback address} */
    static boolean isLoopback(String target) {
        if (target.startsWith("unix:")) {
            return true;
        }
        Matcher matcher = TARGET.matcher(target);
        return matcher.matches() && split(matcher.group("addresses")).allMatch(Addresses::isLoopbackAddress);
    }

    /**
     * {@return the addresses of a comma-separated list of IP addresses, each with or without a port}
     *
     * @throws IllegalArgumentException if one of them is not an IP address
     */
    static List<InetSocketAddress> parse(String addresses) {
        return split(addresses).map(Addresses::parseAddress).toList();
    }

    private static Stream<String> split(String addresses) {
        return Arrays.stream(addresses.split(",", -1));
    }

    private static boolean isLoopbackAddress(String address) {
        Matcher matcher = ADDRESS.matcher(address);
        if (!matcher.matches()) {
            return false;
        }
        String host = matcher.group("host");
        return host.equals("localhost") || (isIp(host) && parseIp(host).isLoopbackAddress());
    }

    private static InetSocketAddress parseAddress(String address) {
        Matcher matcher = ADDRESS.matcher(address);
        if (!matcher.matches() || !isIp(matcher.group("host"))) {
            throw new IllegalArgumentException(
                    "target must contain IP addresses, such as 10.0.0.1:50051, not " + address);
        }
        String port = matcher.group("port");
        return new InetSocketAddress(
                parseIp(matcher.group("host")), port == null ? DEFAULT_PORT : Integer.parseInt(port));
    }

    private static boolean isIp(String host) {
        return host.startsWith("[") || IPV4.matcher(host).matches();
    }

    private static InetAddress parseIp(String host) {
        try {
            return InetAddress.getByName(host); // This does no DNS lookup, because the host is an IP address.
        } catch (UnknownHostException invalid) {
            throw new IllegalArgumentException("target must contain IP addresses, not " + host, invalid);
        }
    }
}
