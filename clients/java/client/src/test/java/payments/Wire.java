package payments;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Connections to a service that a test can cut, without either side being told of it before. */
final class Wire implements AutoCloseable {
    private final ServerSocket entry;
    private final int port;
    private final List<Socket> sockets = new CopyOnWriteArrayList<>();

    private Wire(int port) throws IOException {
        this.port = port;
        entry = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    }

    /** {@return a wire to a service on this machine} */
    static Wire to(FakeService service) {
        try {
            Wire wire = new Wire(service.port());
            start(wire::connectAll);
            return wire;
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    String target() {
        return "127.0.0.1:" + entry.getLocalPort();
    }

    /** Cuts the connections that there are; new ones can be made. */
    void cut() throws IOException {
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
            cut();
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    private void connectAll() throws IOException {
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
            } catch (IOException cut) {
                // As it is to be.
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
