package payments.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;
import payments.PaymentsException;

/** One run of a case, with the values that it saves and generates. */
final class Case {
    /** How long to repeat a step whose outcome takes time, and how long to pause in between. */
    private static final Duration EVENTUALLY = Duration.ofSeconds(30);

    private static final Duration PAUSE = Duration.ofMillis(100);

    private static final long MAX_SAFE_INTEGER = (1L << 53) - 1;

    private final Client client;
    private final Map<String, JsonElement> saved = new HashMap<>();
    private final Map<String, JsonElement> generated = new HashMap<>();

    Case(Client client) {
        this.client = client;
    }

    /**
     * Runs one step.
     *
     * @throws Mismatch if an outcome differs from the expected one
     */
    void run(JsonObject step) throws InterruptedException {
        boolean isEventual = step.has("eventually") && step.get("eventually").getAsBoolean();
        Instant end = Instant.now().plus(EVENTUALLY);
        while (true) {
            Set<String> savedBefore = Set.copyOf(saved.keySet());
            try {
                runOnce(step);
                return;
            } catch (Mismatch mismatch) {
                if (!isEventual || Instant.now().isAfter(end)) {
                    throw mismatch;
                }
                saved.keySet().retainAll(savedBefore);
            }
            Thread.sleep(PAUSE.toMillis());
        }
    }

    private void runOnce(JsonObject step) {
        String call = step.get("call").getAsString();
        JsonObject args = arguments(step.getAsJsonObject("args")).getAsJsonObject();
        if (Calls.isInexpressible(call, args)) {
            checkRejected(step);
            return;
        }
        int times = step.has("repeat") ? step.get("repeat").getAsInt() : 1;
        List<Outcome> outcomes = Stream.generate(() -> Outcome.start(() -> Calls.call(client, call, args)))
                .limit(times)
                .toList();
        outcomes.forEach(outcome -> check(step, outcome));
    }

    private static void checkRejected(JsonObject step) {
        if (!step.has("error")) {
            throw new Mismatch("the client has no such call");
        }
    }

    private void check(JsonObject step, Outcome outcome) {
        RuntimeException thrown = outcome.exception();
        if (thrown instanceof Mismatch mismatch) {
            throw mismatch;
        }
        if (thrown == null) {
            if (!step.has("result")) {
                throw new Mismatch("expected an exception, but the call returned " + outcome.result());
            }
            match(step.get("result"), outcome.result(), step.get("call").getAsString());
        } else if (thrown instanceof PaymentsException error && step.has("error")) {
            checkError(
                    arguments(step.get("error")).getAsJsonObject(),
                    Outcomes.toJson(error).getAsJsonObject());
        } else if (thrown instanceof PaymentsException
                || !step.has("rejected_argument")
                || !normalize(thrown.getMessage())
                        .contains(normalize(step.get("rejected_argument").getAsString()))) {
            throw new Mismatch("the call threw " + thrown);
        }
    }

    /** Compares an error with the expected one, which may have fewer violations, in any order. */
    private void checkError(JsonObject expected, JsonObject actual) {
        expected.asMap().forEach((name, value) -> {
            boolean matches = value instanceof JsonArray fields
                    ? actual.getAsJsonArray(name).asList().containsAll(fields.asList())
                    : value.equals(actual.get(name));
            if (!matches) {
                throw new Mismatch("the error's " + name + " is " + actual.get(name) + ", expected: " + value);
            }
        });
    }

    /** {@return a name in lower case without underscores, because languages use these differently} */
    private static String normalize(String name) {
        return name.toLowerCase(Locale.ROOT).replace("_", "");
    }

    private JsonElement arguments(JsonElement value) {
        if (value instanceof JsonArray items) {
            JsonArray array = new JsonArray();
            items.forEach(item -> array.add(arguments(item)));
            return array;
        }
        if (!(value instanceof JsonObject object)) {
            return value;
        }
        if (object.has("$get")) {
            return saved.get(object.get("$get").getAsString());
        }
        if (object.has("$new")) {
            return generate(object.get("$new").getAsString());
        }
        JsonObject result = new JsonObject();
        object.asMap().forEach((name, member) -> result.add(name, arguments(member)));
        return result;
    }

    /** {@return the random value of this name, which is the same for the whole case} */
    private JsonElement generate(String name) {
        return generated.computeIfAbsent(
                name,
                missing -> name.startsWith("order_id")
                        ? new JsonPrimitive(ThreadLocalRandom.current().nextLong(1, MAX_SAFE_INTEGER + 1))
                        : new JsonPrimitive(UUID.randomUUID().toString()));
    }

    private void match(JsonElement expected, JsonElement actual, String where) {
        if (expected instanceof JsonArray items) {
            JsonArray actualItems = actual.getAsJsonArray();
            if (items.size() != actualItems.size()) {
                throw new Mismatch(where + " has " + actualItems.size() + " items, expected: " + items.size());
            }
            for (int index = 0; index < items.size(); index++) {
                match(items.get(index), actualItems.get(index), where + "[" + index + "]");
            }
        } else if (!(expected instanceof JsonObject object)) {
            checkEqual(expected, actual, where);
        } else if (object.has("$save")) {
            if (actual instanceof JsonNull) {
                throw new Mismatch(where + " is null, expected: any other value");
            }
            JsonElement before = saved.putIfAbsent(object.get("$save").getAsString(), actual);
            checkEqual(before == null ? actual : before, actual, where);
        } else if (object.has("$get")) {
            checkEqual(saved.get(object.get("$get").getAsString()), actual, where);
        } else if (object.has("$new")) {
            checkEqual(generate(object.get("$new").getAsString()), actual, where);
        } else if (object.has("$type")) {
            checkType(object.get("$type").getAsString(), actual, where);
        } else if (!(actual instanceof JsonObject actualObject)) {
            throw new Mismatch(where + " is " + actual + ", expected: " + expected);
        } else {
            object.asMap().forEach((name, value) -> matchMember(name, value, actualObject, where + "." + name));
        }
    }

    private void matchMember(String name, JsonElement expected, JsonObject actual, String where) {
        if (!actual.has(name)) {
            throw new Mismatch(where + " is missing, expected: " + expected);
        }
        if (name.equals("labels")) {
            checkEqual(expected, actual.get(name), where);
        } else {
            match(expected, actual.get(name), where);
        }
    }

    private static void checkEqual(JsonElement expected, JsonElement actual, String where) {
        if (!expected.equals(actual)) {
            throw new Mismatch(where + " is " + actual + ", expected: " + expected);
        }
    }

    private static void checkType(String kind, JsonElement actual, String where) {
        boolean matches =
                switch (kind) {
                    case "time" -> isTime(actual);
                    case "id" ->
                        actual.isJsonPrimitive() && actual.getAsJsonPrimitive().isNumber() && actual.getAsLong() >= 1;
                    default ->
                        actual.isJsonPrimitive()
                                && actual.getAsJsonPrimitive().isString()
                                && !actual.getAsString().isEmpty();
                };
        if (!matches) {
            throw new Mismatch(where + " is " + actual + ", expected: a value of type " + kind);
        }
    }

    private static boolean isTime(JsonElement value) {
        try {
            return value.isJsonPrimitive() && Instant.parse(value.getAsString()) != null;
        } catch (DateTimeParseException invalid) {
            return false;
        }
    }
}
