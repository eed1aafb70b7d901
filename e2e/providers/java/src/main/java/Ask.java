import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.openfeature.contrib.providers.ofrep.OfrepProvider;
import dev.openfeature.contrib.providers.ofrep.OfrepProviderOptions;
import dev.openfeature.sdk.Client;
import dev.openfeature.sdk.EvaluationContext;
import dev.openfeature.sdk.FlagEvaluationDetails;
import dev.openfeature.sdk.ImmutableContext;
import dev.openfeature.sdk.OpenFeatureAPI;
import dev.openfeature.sdk.Structure;
import dev.openfeature.sdk.Value;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Asks Burgee through the OpenFeature SDK for Java: a question a line on its input, an answer a line on its output, both
 * JSON.
 */
final class Ask {
    private static final ObjectMapper JSON = new ObjectMapper();
    /** By address and key. */
    private static final Map<String, Client> CLIENTS = new HashMap<>();

    private Ask() {}

    public static void main(String[] arguments) throws IOException {
        var questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            answers.println(JSON.writeValueAsString(ask(JSON.readTree(line))));
        }
        // The provider's threads would keep the process alive.
        OpenFeatureAPI.getInstance().shutdown();
    }

    private static Client connect(String url, String key) {
        return CLIENTS.computeIfAbsent(url + " " + key, domain -> {
            var options = OfrepProviderOptions.builder()
                    .baseUrl(url)
                    .headers(ImmutableMap.of("X-API-Key", ImmutableList.of(key)))
                    .build();
            var api = OpenFeatureAPI.getInstance();
            api.setProviderAndWait(domain, OfrepProvider.constructProvider(options));
            return api.getClient(domain);
        });
    }

    private static Map<String, Object> ask(JsonNode asked) {
        var client = connect(asked.get("url").asText(), asked.get("key").asText());
        var flag = asked.get("flag").asText();
        var mine = asked.get("default");
        var about = context(asked.get("context"));
        return switch (asked.get("type").asText()) {
            case "boolean" -> told(client.getBooleanDetails(flag, mine.asBoolean(), about));
            case "string" -> told(client.getStringDetails(flag, mine.asText(), about));
            case "integer" -> told(client.getIntegerDetails(flag, mine.asInt(), about));
            case "float" -> told(client.getDoubleDetails(flag, mine.asDouble(), about));
            case "object" -> told(client.getObjectDetails(flag, value(mine), about));
            default -> throw new IllegalArgumentException(asked.get("type") + " is no type");
        };
    }

    private static Value value(JsonNode json) {
        return Value.objectToValue(JSON.convertValue(json, Object.class));
    }

    private static EvaluationContext context(JsonNode json) {
        Map<String, Value> attributes = new HashMap<>(value(json).asStructure().asMap());
        var targetingKey = attributes.remove("targetingKey");
        return targetingKey == null
                ? new ImmutableContext(attributes)
                : new ImmutableContext(targetingKey.asString(), attributes);
    }

    private static Map<String, Object> told(FlagEvaluationDetails<?> details) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("value", plain(details.getValue()));
        answer.put("variant", details.getVariant());
        answer.put("reason", details.getReason());
        answer.put("errorCode", details.getErrorCode());
        answer.put("errorMessage", details.getErrorMessage());
        answer.put("metadata", details.getFlagMetadata().asUnmodifiableMap());
        return answer;
    }

    /** What the SDK wraps, without its wrapping. */
    private static Object plain(Object value) {
        if (!(value instanceof Value wrapped)) {
            return value;
        }
        if (wrapped.isStructure()) {
            return wrapped.asStructure().asObjectMap();
        }
        return wrapped.isList() ? wrapped.asList().stream().map(Ask::plain).toList() : wrapped.asObject();
    }
}
