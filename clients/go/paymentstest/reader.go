package paymentstest

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

const (
	defaultPageSize    = 50
	maxPageSize        = 1000
	maxRequestIDLength = 255
	maxCallerLength    = 255
	maxNameLength      = 100
	maxLabels          = 16
	maxLabelKeyLength  = 40
	maxFilterValues    = 20
	maxURLLength       = 2048
)

// reader checks the fields of one request, and collects those that are invalid.
type reader struct {
	violations []*errdetails.BadRequest_FieldViolation
}

// reject records an invalid field. The description says what is allowed.
func (r *reader) reject(field, description string) {
	violation := &errdetails.BadRequest_FieldViolation{Field: field, Description: description}
	r.violations = append(r.violations, violation)
}

// err returns the error for the invalid fields, or nil if there are none.
func (r *reader) err() error {
	if len(r.violations) == 0 {
		return nil
	}
	return invalidRequest(r.violations)
}

func (r *reader) id(field string, id int64) {
	if id < 1 {
		r.reject(field, "must be 1 or more")
	}
}

// requestID checks an idempotency key. Nil means that there is none.
func (r *reader) requestID(field string, requestID *string) {
	if requestID == nil {
		return
	}
	if !isPrintableASCII(*requestID, maxRequestIDLength) {
		r.reject(field, fmt.Sprintf("must be 1 to %d printable ASCII characters, or left out", maxRequestIDLength))
	}
}

// caller checks the name of a caller. Nil means that there is none.
func (r *reader) caller(field string, name *string) {
	if name == nil {
		return
	}
	if !isPrintableASCII(*name, maxCallerLength) || strings.Trim(*name, " ") != *name {
		r.reject(field, fmt.Sprintf("must be 1 to %d printable ASCII characters, without a space at either end",
			maxCallerLength))
	}
}

// isPrintableASCII reports whether the text consists of 1 to maxLength printable ASCII characters.
func isPrintableASCII(text string, maxLength int) bool {
	isOther := func(character rune) bool { return character < ' ' || character > '~' }
	return text != "" && len(text) <= maxLength && !strings.ContainsFunc(text, isOther)
}

// isHTTPSURL reports whether the text is an https URL of at most maxURLLength characters, as far as the service checks.
func isHTTPSURL(text string) bool {
	rest, isHTTPS := strings.CutPrefix(text, "https://")
	return isHTTPS && rest != "" && isPrintableASCII(text, maxURLLength) && !strings.Contains(text, " ")
}

// optionalName checks one of the caller's own names. Empty means that there is none.
func (r *reader) optionalName(field, name string) {
	if name != "" {
		r.name(field, &name)
	}
}

// reference checks the reference of a payment, or its identifier at the processor. Nil means that there is none.
func (r *reader) reference(field string, reference *string, maxLength int) {
	if reference == nil {
		return
	}
	if length := utf8.RuneCountInString(*reference); length < 1 || length > maxLength {
		r.reject(field, fmt.Sprintf("must be 1 to %d characters", maxLength))
	}
}

// name checks one of the caller's own names. Nil means that there is none.
func (r *reader) name(field string, name *string) {
	if name != nil && (*name == "" || !isText(*name, maxNameLength)) {
		r.reject(field, fmt.Sprintf("must be 1 to %d characters, without control characters", maxNameLength))
	}
}

// labels checks labels. One problem is enough.
func (r *reader) labels(field string, labels map[string]string) {
	if len(labels) > maxLabels {
		r.reject(field, fmt.Sprintf("must have at most %d labels", maxLabels))
		return
	}
	for key, value := range labels {
		switch {
		case key == "" || !isText(key, maxLabelKeyLength):
			r.reject(field, fmt.Sprintf("keys must be 1 to %d characters, without control characters", maxLabelKeyLength))
			return
		case !isText(value, maxNameLength):
			r.reject(field, fmt.Sprintf("values must be at most %d characters, without control characters", maxNameLength))
			return
		}
	}
}

// isText reports whether the text has at most maxLength characters, and no control characters.
func isText(text string, maxLength int) bool {
	return utf8.RuneCountInString(text) <= maxLength && !strings.ContainsFunc(text, unicode.IsControl)
}

// pageSize returns the maximum number of items on a page.
func (r *reader) pageSize(size int32) int {
	switch {
	case size < 0:
		r.reject("page_size", fmt.Sprintf("must be 0 (which means %d) to %d", defaultPageSize, maxPageSize))
	case size == 0:
		return defaultPageSize
	}
	return int(min(size, maxPageSize))
}

// checkEnums checks the values of an enum in a filter. names are those of the contract; 0 is never allowed.
func checkEnums[Number ~int32](r *reader, field string, numbers []Number, names map[int32]string) {
	if len(numbers) > maxFilterValues {
		r.reject(field, fmt.Sprintf("must have at most %d values", maxFilterValues))
		return
	}
	for _, number := range numbers {
		if _, isKnown := names[int32(number)]; !isKnown || number == 0 {
			r.reject(field, "must be one of "+joinNames(names))
			return
		}
	}
}

// joinNames returns the names of an enum except for the unspecified value, in the order of their numbers.
func joinNames(names map[int32]string) string {
	joined := names[1]
	for number := int32(2); names[number] != ""; number++ {
		joined += ", " + names[number]
	}
	return joined
}
