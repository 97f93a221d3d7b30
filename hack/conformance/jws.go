package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock/penstock/proxy/filter/jwt/jws"
)

const (
	// jwsFile is Wycheproof's.
	jwsFile = "json_web_signature_test.json"
	// How many of its cases are valid, and how many are not.
	jwsValid, jwsInvalid = 46, 355
)

// jwsExcused are the cases that are judged otherwise, with the reason.
var jwsExcused = map[int]string{
	346: wrongAlg, 347: wrongAlg, 350: wrongAlg, 351: wrongAlg,
	367: sameAsValid, 370: sameAsValid,
	372: noBase64, 373: noBase64,
}

const (
	wrongAlg    = "the key's own alg, PS256 or the unknown ES521, is not that of the token; in other cases of the suite that alone makes a token invalid"
	sameAsValid = "the token is letter for letter that of case 357, which is valid"
	noBase64    = "a question mark within base64url, which RFC 7515 §2 does not allow; in other cases of the suite it makes a token invalid"
)

// jwsGroup is cases with one key.
type jwsGroup struct {
	Comment string
	// Private is there for all keys; of a key pair, Public is what a verifier would have.
	Private, Public json.RawMessage
	Tests           []struct {
		ID      int `json:"tcId"`
		Comment string
		JWS     json.RawMessage
		Result  string
	}
}

// jwsSuite has the verifier of the jwt filter judge the tokens of Wycheproof.
func jwsSuite(_ context.Context, o options, details *os.File) (string, error) {
	if o.data == "" {
		return "", errors.New("CONFORMANCE_DIR is not set: it names the folder that has " + jwsFile)
	}
	text, err := os.ReadFile(filepath.Join(o.data, jwsFile))
	if err != nil {
		return "", err
	}
	var file struct {
		TestGroups []jwsGroup `json:"testGroups"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return "", fmt.Errorf("%s: %w", jwsFile, err)
	}
	var c jwsCount
	for i := range file.TestGroups {
		c.judge(&file.TestGroups[i], details)
	}
	line := fmt.Sprintf("%d of %d invalid tokens accepted, %d of %d valid ones refused, %d listed for contradictions of the suite",
		c.accepted, c.invalid, c.refused, c.valid, c.listed)
	switch {
	case c.valid != jwsValid || c.invalid != jwsInvalid:
		return line, fmt.Errorf("%s has %d valid and %d invalid cases, want %d and %d", jwsFile, c.valid, c.invalid, jwsValid, jwsInvalid)
	case c.accepted > 0 || c.refused > 0 || c.listed != len(jwsExcused):
		return line, fmt.Errorf("see %s", details.Name())
	}
	return line, nil
}

type jwsCount struct{ valid, invalid, accepted, refused, listed int }

func (c *jwsCount) judge(g *jwsGroup, details *os.File) {
	key := g.Public
	if key == nil {
		key = g.Private
	}
	set, keyErr := jws.ParseJWKS(key)
	for _, t := range g.Tests {
		err := keyErr
		if err == nil {
			err = verifyJWS(set, t.JWS)
		}
		fmt.Fprintf(details, "%3d %-8s %s: %s: %v\n", t.ID, t.Result, g.Comment, t.Comment, err)
		c.add(t.ID, t.Result == "valid", err == nil)
	}
}

func (c *jwsCount) add(id int, valid, accepted bool) {
	if valid {
		c.valid++
	} else {
		c.invalid++
	}
	switch {
	case valid == accepted:
	case jwsExcused[id] != "":
		c.listed++
	case accepted:
		c.accepted++
	default:
		c.refused++
	}
}

// verifyJWS takes what may be an object, of the JSON serialisation, for the text that it is.
func verifyJWS(set *jws.Set, raw json.RawMessage) error {
	token := string(raw)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		token = text
	}
	t, err := jws.Parse(token)
	if err != nil {
		return err
	}
	return t.Verify(set, nil)
}
