package payments.testing;

import java.util.Map;
import java.util.regex.Pattern;

/** Checks the texts of requests. Lengths are in characters of Unicode, as in the service. */
final class Texts {
    private static final int MAX_NAME_LENGTH = 100;
    private static final int MAX_REASON_LENGTH = 255;
    private static final int MAX_PROCESSOR_REFERENCE_LENGTH = 255;
    private static final int MAX_URL_LENGTH = 2048;
    private static final int MAX_LABELS = 16;
    private static final int MAX_LABEL_KEY_LENGTH = 40;
    private static final int MAX_LABEL_VALUE_LENGTH = 100;
    private static final Pattern CALLER = Pattern.compile("[!-~]([ -~]{0,253}[!-~])?");
    private static final Pattern HTTPS_URL = Pattern.compile("https://[!-~]+");
    private static final Pattern REQUEST_ID = Pattern.compile("[ -~]{1,255}");

    private Texts() {}

    static void checkRequestId(String text) {
        if (!REQUEST_ID.matcher(text).matches()) {
            throw new InvalidValue("must be 1 to 255 printable ASCII characters, or left out");
        }
    }

    /** Checks an external_reference or a customer_id of a charge, which may be empty. */
    static void checkOptionalName(String text) {
        if (!text.isEmpty()) {
            checkName(text);
        }
    }

    static void checkReason(String text) {
        if (length(text) > MAX_REASON_LENGTH || hasControlCharacters(text)) {
            throw new InvalidValue("must be at most " + MAX_REASON_LENGTH + " characters, without control characters");
        }
    }

    /** Checks an external_reference or a customer_id to search for. */
    static void checkName(String text) {
        if (text.isEmpty() || length(text) > MAX_NAME_LENGTH || hasControlCharacters(text)) {
            throw new InvalidValue("must be 1 to " + MAX_NAME_LENGTH + " characters, without control characters");
        }
    }

    static void checkReference(String text) {
        checkLength(MAX_NAME_LENGTH, text);
    }

    static void checkProcessorReference(String text) {
        checkLength(MAX_PROCESSOR_REFERENCE_LENGTH, text);
    }

    static void checkCaller(String text) {
        if (!CALLER.matcher(text).matches()) {
            throw new InvalidValue("must be 1 to 255 printable ASCII characters, without a space at either end");
        }
    }

    static void checkHttpsUrl(String text) {
        if (length(text) > MAX_URL_LENGTH || !HTTPS_URL.matcher(text).matches()) {
            throw new InvalidValue("must be an https URL of at most " + MAX_URL_LENGTH + " characters");
        }
    }

    static void checkLabels(Map<String, String> labels) {
        if (labels.size() > MAX_LABELS) {
            throw new InvalidValue("must have at most " + MAX_LABELS + " labels");
        }
        labels.forEach((key, value) -> {
            if (key.isEmpty() || length(key) > MAX_LABEL_KEY_LENGTH || hasControlCharacters(key)) {
                throw new InvalidValue(
                        "keys must be 1 to " + MAX_LABEL_KEY_LENGTH + " characters, without control characters");
            }
            if (length(value) > MAX_LABEL_VALUE_LENGTH || hasControlCharacters(value)) {
                throw new InvalidValue(
                        "values must be at most " + MAX_LABEL_VALUE_LENGTH + " characters, without control characters");
            }
        });
    }

    private static void checkLength(int max, String text) {
        if (text.isEmpty() || length(text) > max) {
            throw new InvalidValue("must be 1 to " + max + " characters");
        }
    }

    private static int length(String text) {
        return text.codePointCount(0, text.length());
    }

    private static boolean hasControlCharacters(String text) {
        return text.codePoints().anyMatch(Character::isISOControl);
    }
}
