package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/open-feature/go-sdk-contrib/providers/ofrep"
	"github.com/open-feature/go-sdk/openfeature"
)

func main() {
	provider := ofrep.NewProvider(os.Getenv("BURGEE_URL"), ofrep.WithApiKeyAuth(os.Getenv("SDK_KEY")))
	if err := openfeature.SetProviderAndWait(provider); err != nil {
		log.Fatal(err)
	}
	client := openfeature.NewClient("shop")
	user := openfeature.NewEvaluationContext("user-42", map[string]any{"country": "AT"})
	fmt.Println(client.Boolean(context.Background(), "new-checkout", false, user))
}
