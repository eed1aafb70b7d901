import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.openfeature.contrib.providers.ofrep.OfrepProvider;
import dev.openfeature.contrib.providers.ofrep.OfrepProviderOptions;
import dev.openfeature.sdk.ImmutableContext;
import dev.openfeature.sdk.OpenFeatureAPI;
import dev.openfeature.sdk.Value;
import java.util.Map;

class Connect {
    public static void main(String[] arguments) {
        var api = OpenFeatureAPI.getInstance();
        api.setProviderAndWait(OfrepProvider.constructProvider(OfrepProviderOptions.builder()
                .baseUrl(System.getenv("BURGEE_URL"))
                .headers(ImmutableMap.of("X-API-Key", ImmutableList.of(System.getenv("SDK_KEY"))))
                .build()));
        var user = new ImmutableContext("user-42", Map.of("country", new Value("AT")));
        System.out.println(api.getClient().getBooleanValue("new-checkout", false, user));
        api.shutdown();
    }
}
