package payments.testing;

import com.google.type.Money;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;

/** The currencies of ISO 4217, and those that this service uses. */
final class Currencies {
    private static final Map<Integer, String> CODES_BY_DECIMALS = Map.of(
            0,
            "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
            2,
            "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE "
                    + "CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ "
                    + "GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA "
                    + "MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN "
                    + "QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY "
                    + "TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
            3,
            "BHD IQD JOD KWD LYD OMR TND",
            4,
            "CLF UYW");

    private static final Map<String, Integer> DECIMALS = decimals();

    private final String defaultCode;
    private final SortedSet<String> allowed;

    /**
     * Uses these currencies.
     *
     * @throws IllegalArgumentException if one of them is not an ISO 4217 code
     */
    Currencies(String defaultCode, Collection<String> allowed) {
        this.defaultCode = defaultCode;
        this.allowed = new TreeSet<>(allowed);
        this.allowed.add(defaultCode);
        this.allowed.forEach(code -> {
            if (!DECIMALS.containsKey(code)) {
                throw new IllegalArgumentException("currency must be an ISO 4217 code, not " + code);
            }
        });
    }

    private static Map<String, Integer> decimals() {
        Map<String, Integer> decimals = new HashMap<>();
        CODES_BY_DECIMALS.forEach((count, codes) -> {
            for (String code : codes.split(" ")) {
                decimals.put(code, count);
            }
        });
        return Map.copyOf(decimals);
    }

    /** {@return the codes of all currencies} */
    static Set<String> all() {
        return DECIMALS.keySet();
    }

    /**
     * {@return how many decimals an amount of this currency has}
     *
     * @throws InvalidValue if there is no such currency
     */
    static int decimalsOf(String currency) {
        Integer decimals = DECIMALS.get(currency);
        if (decimals == null) {
            throw new InvalidValue("currency_code", "must be an ISO 4217 currency code of three upper-case letters");
        }
        return decimals;
    }

    /**
     * {@return the amount of a message, in the default currency if it names none}
     *
     * @throws InvalidValue if there is no such amount
     */
    Amount amount(Money money) {
        return Amount.of(code(money), money);
    }

    /**
     * {@return the amount of a charge, in the default currency if the message names none}
     *
     * @throws InvalidValue if charges cannot have this currency, or there is no such amount
     */
    Amount chargeableAmount(Money money) {
        if (!allowed.contains(code(money))) {
            throw new InvalidValue("currency_code", "must be one of " + String.join(", ", allowed) + ", or empty");
        }
        return amount(money);
    }

    private String code(Money money) {
        return money.getCurrencyCode().isEmpty() ? defaultCode : money.getCurrencyCode();
    }
}
