package observe

import "slices"

// Method is a request method in metrics: one of RFC 9110 and RFC 5789, or OTHER, so that clients can't make up series.
type Method uint8

// methods are the known ones; the last stands for all others.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "OTHER"}

const otherMethod = Method(len(methods) - 1)

// MethodOf folds a method into the known ones. Methods are case-sensitive (RFC 9110 §9.1).
func MethodOf(name string) Method {
	if i := slices.Index(methods[:otherMethod], name); i >= 0 {
		return Method(i)
	}
	return otherMethod
}

// String is the method's name.
func (m Method) String() string { return methods[m] }
