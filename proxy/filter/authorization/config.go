package authorization

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/penstock/penstock/proxy/filter/internal/cidr"
	"github.com/penstock/penstock/proxy/filter/internal/expression"
	"github.com/penstock/penstock/proxy/filter/internal/field"
)

// Config lists the rules. Their order means nothing.
type Config struct {
	Rules []Rule `json:"rules"`
}

// Action is what becomes of the requests that a rule holds for.
type Action string

// The actions.
const (
	// Allow serves them, unless a rule denies them.
	Allow Action = "Allow"
	// Deny refuses them, whatever other rules say.
	Deny Action = "Deny"
)

// Rule holds for a request if all of its conditions do. There is at least one.
type Rule struct {
	// Name stands in the access log; empty: the rule's index.
	Name string `json:"name,omitempty"`
	// Action is Allow or Deny; empty: Allow.
	Action Action `json:"action,omitempty"`
	// Methods are alternatives.
	Methods []string `json:"methods,omitempty"`
	// ClientCIDRs are networks, one of which the client is in.
	ClientCIDRs []string `json:"clientCIDRs,omitempty"`
	// Scopes are those that the token was issued for, all of them.
	Scopes []string `json:"scopes,omitempty"`
	// Claims are conditions on claims of the token; all of them hold.
	Claims []Claim `json:"claims,omitempty"`
	// Expression is one of CEL, and true.
	Expression string `json:"expression,omitempty"`
}

// Claim is a condition on a claim. Exactly one of Equals, Contains and AnyOf is set.
type Claim struct {
	// Path names the claim, with dots where it is within another.
	Path string `json:"path"`
	// Equals is the text of a claim that is no list: a string as it is, numbers and booleans as JSON has them.
	Equals *string `json:"equals,omitempty"`
	// Contains is the text of one item of a claim that is a list.
	Contains *string `json:"contains,omitempty"`
	// AnyOf are texts, of which the claim is one, or has one as an item.
	AnyOf []string `json:"anyOf,omitempty"`
}

// Validate checks the rules, and compiles their expressions.
func (c *Config) Validate() error {
	_, _, err := c.compile()
	return err
}

// compile returns the rules by their action.
func (c *Config) compile() (allow, deny []rule, err error) {
	if len(c.Rules) == 0 {
		return nil, nil, errors.New("rules: it is empty")
	}
	for i := range c.Rules {
		r, err := c.Rules[i].compile(i)
		if err != nil {
			return nil, nil, fmt.Errorf("rules[%d].%w", i, err)
		}
		switch c.Rules[i].Action {
		case Allow, "":
			allow = append(allow, r)
		case Deny:
			deny = append(deny, r)
		default:
			return nil, nil, fmt.Errorf("rules[%d].action: %q is neither Allow nor Deny", i, c.Rules[i].Action)
		}
	}
	return allow, deny, nil
}

func (r *Rule) compile(index int) (out rule, err error) {
	out = rule{name: r.Name, methods: r.Methods, scopes: r.Scopes, claims: r.Claims}
	if out.name == "" {
		out.name = strconv.Itoa(index)
	}
	if len(r.Methods)+len(r.ClientCIDRs)+len(r.Scopes)+len(r.Claims) == 0 && r.Expression == "" {
		return out, errors.New("methods, clientCIDRs, scopes, claims, expression: at least one must be set")
	}
	if err := errors.Join(r.checkNames(), r.checkClaims()); err != nil {
		return out, err
	}
	if len(r.ClientCIDRs) > 0 {
		if out.clients, err = cidr.Parse(r.ClientCIDRs); err != nil {
			return out, fmt.Errorf("clientCIDRs%w", err)
		}
	}
	if r.Expression != "" {
		if out.expression, err = expression.Compile(r.Expression); err != nil {
			return out, fmt.Errorf("expression: %w", err)
		}
	}
	return out, nil
}

func (r *Rule) checkNames() error {
	for i, m := range r.Methods {
		if !field.IsName(m) {
			return fmt.Errorf("methods[%d]: %q is no token", i, m)
		}
	}
	if i := slices.Index(r.Scopes, ""); i >= 0 {
		return fmt.Errorf("scopes[%d]: it is empty", i)
	}
	return nil
}

func (r *Rule) checkClaims() error {
	for i := range r.Claims {
		c, set := &r.Claims[i], 0
		for _, is := range []bool{c.Equals != nil, c.Contains != nil, len(c.AnyOf) > 0} {
			if is {
				set++
			}
		}
		if c.Path == "" {
			return fmt.Errorf("claims[%d].path: it is empty", i)
		}
		if set != 1 {
			return fmt.Errorf("claims[%d]: exactly one of equals, contains and anyOf must be set", i)
		}
	}
	return nil
}
