package payments.testing;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ReadmeTest {
    @Test
    void theReadmeShowsATestThatRuns() throws IOException {
        String test = Files.readString(Path.of("src/test/java/CheckoutTest.java"));
        assertTrue(Files.readString(Path.of("../README.md")).contains("```java\n" + test + "```\n"));
    }
}
