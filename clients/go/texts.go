package payments

import "unicode/utf8"

// text is an argument that the contract sends as a string.
type text struct{ argument, value string }

func optionalText(argument string, value *string) text {
	if value == nil {
		return text{}
	}
	return text{argument, *value}
}

func labelTexts(labels map[string]string) []text {
	var texts []text
	for key, value := range labels {
		texts = append(texts, text{"Labels", key}, text{"Labels", value})
	}
	return texts
}

// checkTexts rejects text that is not valid UTF-8, which no message can contain. gRPC would report it as INTERNAL, as
// if the service had failed, and a watch would try again forever.
func checkTexts(texts ...text) error {
	for _, text := range texts {
		if !utf8.ValidString(text.value) {
			return &ArgumentError{text.argument, "must be valid UTF-8"}
		}
	}
	return nil
}
