package payments.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;
import payments.PaymentsClient;
import payments.PaymentsException;

/** One case, with what it keeps from step to step. */
final class Case {
    private static final long MOST_EXACT_INTEGER = (1L << 53) - 1;

    private final PaymentsClient client;
    private final Map<String, JsonElement> kept = new HashMap<>();
    private final Map<String, JsonElement> made = new HashMap<>();

    Case(PaymentsClient client) {
        this.client = client;
    }

    /**
     * Makes one step.
     *
     * @throws Mismatch an outcome is another than the step expects
     */
    void run(JsonObject step) {
        JsonObject args = arguments(step.getAsJsonObject("args")).getAsJsonObject();
        int times = step.has("repeat") ? step.get("repeat").getAsInt() : 1;
        List<Outcome> outcomes = Stream.generate(() -> step.get("call").getAsString())
                .limit(times)
                .map(call -> Outcome.start(() -> Calls.call(client, call, args)))
                .toList();
        outcomes.forEach(outcome -> check(step, outcome));
    }

    private void check(JsonObject step, Outcome outcome) {
        RuntimeException raised = outcome.raised();
        if (raised instanceof Mismatch mismatch) {
            throw mismatch;
        }
        if (raised == null) {
            if (!step.has("result")) {
                throw new Mismatch("nothing was raised, but returned: " + outcome.returned());
            }
            match(step.get("result"), outcome.returned(), step.get("call").getAsString());
        } else if (raised instanceof PaymentsException error && step.has("error")) {
            checkError(step.getAsJsonObject("error"), Outcomes.toJson(error).getAsJsonObject());
        } else if (raised instanceof PaymentsException
                || !step.has("refused")
                || !plain(raised.getMessage())
                        .contains(plain(step.get("refused").getAsString()))) {
            throw new Mismatch("it raised " + raised);
        }
    }

    /** Compares an error with the expected one, whose violations may be fewer and in any order. */
    private void checkError(JsonObject expected, JsonObject actual) {
        expected.asMap().forEach((name, value) -> {
            boolean holds = value instanceof JsonArray fields
                    ? actual.getAsJsonArray(name).asList().containsAll(fields.asList())
                    : value.equals(actual.get(name));
            if (!holds) {
                throw new Mismatch("the error's " + name + " is " + actual.get(name) + ", expected: " + value);
            }
        });
    }

    /** {@return a name, however a language writes it} */
    private static String plain(String name) {
        return name.toLowerCase(Locale.ROOT).replace("_", "");
    }

    private JsonElement arguments(JsonElement value) {
        if (value instanceof JsonArray items) {
            JsonArray filled = new JsonArray();
            items.forEach(item -> filled.add(arguments(item)));
            return filled;
        }
        if (!(value instanceof JsonObject object)) {
            return value;
        }
        if (object.has("$get")) {
            return kept.get(object.get("$get").getAsString());
        }
        if (object.has("$new")) {
            return made(object.get("$new").getAsString());
        }
        JsonObject filled = new JsonObject();
        object.asMap().forEach((name, member) -> filled.add(name, arguments(member)));
        return filled;
    }

    private JsonElement made(String name) {
        return made.computeIfAbsent(
                name,
                missing -> name.startsWith("order_id")
                        ? new JsonPrimitive(ThreadLocalRandom.current().nextLong(1, MOST_EXACT_INTEGER + 1))
                        : new JsonPrimitive(UUID.randomUUID().toString()));
    }

    private void match(JsonElement expected, JsonElement actual, String where) {
        if (expected instanceof JsonArray items) {
            JsonArray found = actual.getAsJsonArray();
            if (items.size() != found.size()) {
                throw new Mismatch(where + " has " + found.size() + " items, expected: " + items.size());
            }
            for (int place = 0; place < items.size(); place++) {
                match(items.get(place), found.get(place), where + "[" + place + "]");
            }
        } else if (!(expected instanceof JsonObject object)) {
            same(expected, actual, where);
        } else if (object.has("$save")) {
            if (actual instanceof JsonNull) {
                throw new Mismatch(where + " is null");
            }
            JsonElement before = kept.putIfAbsent(object.get("$save").getAsString(), actual);
            same(before == null ? actual : before, actual, where);
        } else if (object.has("$get")) {
            same(kept.get(object.get("$get").getAsString()), actual, where);
        } else if (object.has("$new")) {
            same(made(object.get("$new").getAsString()), actual, where);
        } else if (object.has("$type")) {
            checkType(object.get("$type").getAsString(), actual, where);
        } else if (!(actual instanceof JsonObject found)) {
            throw new Mismatch(where + " is " + actual + ", expected: " + expected);
        } else {
            object.asMap().forEach((name, value) -> match(value, found.get(name), where + "." + name));
        }
    }

    private static void same(JsonElement expected, JsonElement actual, String where) {
        if (!expected.equals(actual)) {
            throw new Mismatch(where + " is " + actual + ", expected: " + expected);
        }
    }

    private static void checkType(String kind, JsonElement actual, String where) {
        boolean holds =
                switch (kind) {
                    case "time" -> isTime(actual);
                    case "id" ->
                        actual.isJsonPrimitive() && actual.getAsJsonPrimitive().isNumber() && actual.getAsLong() >= 1;
                    default ->
                        actual.isJsonPrimitive()
                                && actual.getAsJsonPrimitive().isString()
                                && !actual.getAsString().isEmpty();
                };
        if (!holds) {
            throw new Mismatch(where + " is " + actual + ", expected: a " + kind);
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
