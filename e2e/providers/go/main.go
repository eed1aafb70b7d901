// Command e2e asks Burgee through the OpenFeature SDK for Go: a question a line on its input, an answer a line on its
// output, both JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/open-feature/go-sdk-contrib/providers/ofrep"
	"github.com/open-feature/go-sdk/openfeature"
)

// longest is the most bytes that a line has.
const longest = 1 << 20

type question struct {
	URL     string          `json:"url"`
	Key     string          `json:"key"`
	Flag    string          `json:"flag"`
	Type    string          `json:"type"`
	Default json.RawMessage `json:"default"`
	Context map[string]any  `json:"context"`
}

type answer struct {
	Value        any            `json:"value"`
	Variant      string         `json:"variant"`
	Reason       string         `json:"reason"`
	ErrorCode    string         `json:"errorCode"`
	ErrorMessage string         `json:"errorMessage"`
	Metadata     map[string]any `json:"metadata"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longest)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatalf("a line is no question: %v", err)
		}
		answered, err := ask(asked)
		if err != nil {
			log.Fatalf("%s cannot be asked for: %v", asked.Flag, err)
		}
		if err := answers.Encode(answered); err != nil {
			log.Fatalf("the answer cannot be written: %v", err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatalf("the questions cannot be read: %v", err)
	}
}

// clients that are connected, by address and key.
var clients = map[string]*openfeature.Client{}

func connect(url, key string) (*openfeature.Client, error) {
	domain := url + " " + key
	if client, ok := clients[domain]; ok {
		return client, nil
	}
	provider := ofrep.NewProvider(url, ofrep.WithApiKeyAuth(key))
	if err := openfeature.SetNamedProviderAndWait(domain, provider); err != nil {
		return nil, err
	}
	clients[domain] = openfeature.NewClient(domain)
	return clients[domain], nil
}

func ask(asked question) (answer, error) {
	client, err := connect(asked.URL, asked.Key)
	if err != nil {
		return answer{}, err
	}
	targetingKey, _ := asked.Context["targetingKey"].(string)
	delete(asked.Context, "targetingKey")
	about := openfeature.NewEvaluationContext(targetingKey, asked.Context)
	switch asked.Type {
	case "boolean":
		return details(client.BooleanValueDetails, asked, about)
	case "string":
		return details(client.StringValueDetails, asked, about)
	case "integer":
		return details(client.IntValueDetails, asked, about)
	case "float":
		return details(client.FloatValueDetails, asked, about)
	case "object":
		return details(client.ObjectValueDetails, asked, about)
	}
	return answer{}, fmt.Errorf("%q is no type", asked.Type)
}

// method is how a client is asked for a flag of one type. Its error says what the details say too.
type method[T any] func(
	context.Context, string, T, openfeature.EvaluationContext, ...openfeature.Option,
) (openfeature.GenericEvaluationDetails[T], error)

func details[T any](get method[T], asked question, about openfeature.EvaluationContext) (answer, error) {
	var mine T
	if err := json.Unmarshal(asked.Default, &mine); err != nil {
		return answer{}, err
	}
	given, _ := get(context.Background(), asked.Flag, mine, about)
	return answer{
		Value:        given.Value,
		Variant:      given.Variant,
		Reason:       string(given.Reason),
		ErrorCode:    string(given.ErrorCode),
		ErrorMessage: given.ErrorMessage,
		Metadata:     given.FlagMetadata,
	}, nil
}
