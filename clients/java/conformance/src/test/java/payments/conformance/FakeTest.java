package payments.conformance;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The fake service passes the same cases as the real one. */
@Timeout(120)
class FakeTest {
    private static final Path CASES = Path.of("../../conformance/cases.json");

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theFakePassesAllCases(boolean isAsync) throws Exception {
        assertTrue(Runner.runCasesWithFake(isAsync, CASES), "see the failed cases in the output");
    }
}
