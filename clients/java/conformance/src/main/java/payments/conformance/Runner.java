package payments.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import payments.ChargeParams;
import payments.PaymentMethod;
import payments.PaymentsClient;
import payments.testing.FakePaymentService;

/** Runs the conformance cases with the Java client (see clients/conformance/README.md). */
public final class Runner {
    private static final int MAX_CONCURRENCY = 8;
    private static final List<String> CURRENCIES = List.of("INR", "JPY", "KWD", "CLF");
    private static final Duration CHARGE_TIMEOUT = Duration.ofSeconds(60);

    private Runner() {}

    /**
     * Runs {@code cases TARGET CASES_FILE}, {@code fake CASES_FILE} or {@code charges TARGET FIRST COUNT}, with the
     * asynchronous client if {@code async} comes first.
     */
    public static void main(String[] args) throws Exception {
        boolean isAsync = args.length > 0 && args[0].equals("async");
        List<String> command = List.of(args).subList(isAsync ? 1 : 0, args.length);
        if (command.size() == 3 && command.get(0).equals("cases")) {
            boolean allPassed;
            try (Client client = Client.connect(isAsync, command.get(1), PaymentsClient.DEFAULT_TIMEOUT)) {
                allPassed = runCases(client, Path.of(command.get(2)));
            }
            System.exit(allPassed ? 0 : 1);
        } else if (command.size() == 2 && command.get(0).equals("fake")) {
            System.exit(runCasesWithFake(isAsync, Path.of(command.get(1))) ? 0 : 1);
        } else if (command.size() == 4 && command.get(0).equals("charges")) {
            try (Client client = Client.connect(isAsync, command.get(1), CHARGE_TIMEOUT)) {
                runCharges(client, Long.parseLong(command.get(2)), Long.parseLong(command.get(3)));
            }
        } else {
            System.err.println("usage: [async] cases TARGET CASES_FILE, [async] fake CASES_FILE, or"
                    + " [async] charges TARGET FIRST COUNT");
            System.exit(2);
        }
    }

    /** Runs all cases with the fake service, prints each failure, and returns whether there was none. */
    static boolean runCasesWithFake(boolean isAsync, Path casesFile) throws IOException, InterruptedException {
        try (FakePaymentService service =
                        FakePaymentService.builder().currencies(CURRENCIES).build();
                Client client = Client.of(isAsync, service)) {
            return runCases(client, casesFile);
        }
    }

    /** Runs all cases, prints each failure, and returns whether there was none. */
    private static boolean runCases(Client client, Path casesFile) throws IOException, InterruptedException {
        JsonArray cases = JsonParser.parseString(Files.readString(casesFile)).getAsJsonArray();
        int failed = 0;
        for (JsonElement each : cases) {
            String failure = runCase(client, each.getAsJsonObject());
            if (failure != null) {
                failed++;
                System.out.println(failure);
            }
        }
        System.out.println((cases.size() - failed) + " passed, " + failed + " failed");
        return failed == 0;
    }

    /** Runs a case and returns its failure, or null if it passes. */
    private static String runCase(Client client, JsonObject testCase) throws InterruptedException {
        Case run = new Case(client);
        int number = 0;
        for (JsonElement step : testCase.getAsJsonArray("steps")) {
            number++;
            try {
                run.run(step.getAsJsonObject());
            } catch (Mismatch mismatch) {
                return testCase.get("name").getAsString() + ": step " + number + ": " + mismatch.getMessage();
            }
        }
        return null;
    }

    private static void runCharges(Client client, long first, long count)
            throws InterruptedException, ExecutionException {
        ExecutorService threads = Executors.newFixedThreadPool(MAX_CONCURRENCY);
        try {
            List<Future<Long>> charges = new ArrayList<>();
            LongStream.range(first, first + count)
                    .forEach(orderId -> charges.add(threads.submit(() -> charge(client, orderId))));
            List<String> paymentIds = new ArrayList<>();
            for (Future<Long> charge : charges) {
                paymentIds.add(charge.get().toString());
            }
            System.out.println(paymentIds.stream().collect(Collectors.joining(", ", "[", "]")));
        } finally {
            threads.shutdownNow();
        }
    }

    private static long charge(Client client, long orderId) {
        return client.charge(ChargeParams.builder()
                        .orderId(orderId)
                        .amount(new BigDecimal("1.00"))
                        .method(PaymentMethod.UPI)
                        .build())
                .paymentId();
    }
}
