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

/** Runs the conformance cases with the Java client (see clients/conformance/README.md). */
public final class Runner {
    private static final int MAX_CONCURRENCY = 8;
    private static final Duration CHARGE_TIMEOUT = Duration.ofSeconds(60);

    private Runner() {}

    /** Runs {@code cases TARGET CASES_FILE} or {@code charges TARGET FIRST COUNT}. */
    public static void main(String[] args) throws Exception {
        if (args.length == 3 && args[0].equals("cases")) {
            System.exit(runCases(args[1], Path.of(args[2])));
        } else if (args.length == 4 && args[0].equals("charges")) {
            runCharges(args[1], Long.parseLong(args[2]), Long.parseLong(args[3]));
        } else {
            System.err.println("usage: cases TARGET CASES_FILE, or charges TARGET FIRST COUNT");
            System.exit(2);
        }
    }

    private static int runCases(String target, Path casesFile) throws IOException {
        JsonArray cases = JsonParser.parseString(Files.readString(casesFile)).getAsJsonArray();
        int failed = 0;
        try (PaymentsClient client = PaymentsClient.builder().target(target).build()) {
            for (JsonElement each : cases) {
                String failure = runCase(client, each.getAsJsonObject());
                if (failure != null) {
                    failed++;
                    System.out.println(failure);
                }
            }
        }
        System.out.println((cases.size() - failed) + " passed, " + failed + " failed");
        return failed == 0 ? 0 : 1;
    }

    /** Runs a case and returns its failure, or null if it passes. */
    private static String runCase(PaymentsClient client, JsonObject testCase) {
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

    private static void runCharges(String target, long first, long count)
            throws InterruptedException, ExecutionException {
        ExecutorService threads = Executors.newFixedThreadPool(MAX_CONCURRENCY);
        try (PaymentsClient client =
                PaymentsClient.builder().target(target).timeout(CHARGE_TIMEOUT).build()) {
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

    private static long charge(PaymentsClient client, long orderId) {
        return client.charge(ChargeParams.builder()
                        .orderId(orderId)
                        .amount(new BigDecimal("1.00"))
                        .method(PaymentMethod.UPI)
                        .build())
                .paymentId();
    }
}
