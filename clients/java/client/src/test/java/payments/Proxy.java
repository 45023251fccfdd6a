package payments;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** A proxy to a service. A test can break its connections abruptly. */
final class Proxy implements AutoCloseable {
    private final ServerSocket entry;
    private final int port;
    private final List<Socket> sockets = new CopyOnWriteArrayList<>();

    private Proxy(int port) throws IOException {
        this.port = port;
        entry = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    }

    /** {@return a proxy to a service on this machine} */
    static Proxy to(FakeService service) {
        try {
            Proxy proxy = new Proxy(service.port());
            start(proxy::acceptConnections);
            return proxy;
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    String target() {
        return "127.0.0.1:" + entry.getLocalPort();
    }

    /** Resets all open connections. The proxy still accepts new ones. */
    void breakConnections() throws IOException {
        for (Socket socket : sockets) {
            sockets.remove(socket);
            socket.setSoLinger(true, 0);
            socket.close();
        }
    }

    @Override
    public void close() {
        try {
            entry.close();
            breakConnections();
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    private void acceptConnections() throws IOException {
        while (true) {
            Socket client = entry.accept();
            Socket service = new Socket(InetAddress.getLoopbackAddress(), port);
            sockets.addAll(List.of(client, service));
            start(() -> client.getInputStream().transferTo(service.getOutputStream()));
            start(() -> service.getInputStream().transferTo(client.getOutputStream()));
        }
    }

    private static void start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException closed) {
                // The test closed the connection.
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    @FunctionalInterface
    private interface Work {
        void run() throws IOException;
    }
}
