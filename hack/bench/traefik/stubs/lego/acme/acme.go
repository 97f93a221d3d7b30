// Package acme has the shape of an ACME account.
package acme

// Account is empty: none is ever registered.
type Account struct{}

// ExtendedAccount is an account and where it lies.
type ExtendedAccount struct {
	Account

	Location string
}
