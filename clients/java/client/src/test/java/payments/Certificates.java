package payments;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A certificate authority for one test, with its files in a temporary directory. */
final class Certificates {
    private final Path directory;

    private Certificates(Path directory) {
        this.directory = directory;
    }

    /** {@return a new authority} */
    static Certificates create(Path directory) throws IOException, InterruptedException {
        Certificates authority = new Certificates(directory);
        authority.create("ca", "basicConstraints=critical,CA:TRUE", List.of());
        return authority;
    }

    File authority() {
        return certificate("ca");
    }

    /** {@return a new certificate for 127.0.0.1, for a server or a client; {@link #key} is its key} */
    File issue(String name) throws IOException, InterruptedException {
        create(
                name,
                "subjectAltName=IP:127.0.0.1",
                List.of("-CA", authority().getPath(), "-CAkey", key("ca").getPath()));
        return certificate(name);
    }

    File certificate(String name) {
        return directory.resolve(name + ".pem").toFile();
    }

    File key(String name) {
        return directory.resolve(name + ".key").toFile();
    }

    private void create(String name, String extension, List<String> issuer) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("openssl", "req", "-x509", "-days", "1", "-nodes"));
        command.addAll(List.of("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"));
        command.addAll(List.of("-subj", "/CN=" + name, "-addext", extension));
        command.addAll(List.of(
                "-keyout", key(name).getPath(), "-out", certificate(name).getPath()));
        command.addAll(issuer);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException(output);
        }
    }
}
