package http1

import (
	"errors"
	"net/http"

	"github.com/penstock/penstock/proxy/exchange"
)

// fault is what can be wrong with a message. It becomes an error of the side that sent it.
type fault uint8

const (
	none fault = iota
	badRequestLine
	badTarget
	badVersion
	unsupportedMethod
	lineTooLong
	badStatusLine
	badUpgrade
	badInterim
	headTooLarge
	tooManyFields
	badFieldName
	disguisedName
	badFieldValue
	tooManyOptions
	badLength
	badCoding
	unsupportedCoding
	codingAndLength
	codingInHTTP10
	badHost
	badChunk
	chunkTooLarge
	badTrailer
	overheadTooLarge
	faultCount
)

// faults tell how a client learns of its fault, and the cause that logs name. The codes are stable.
var faults = [faultCount]struct {
	status int
	code   string
	cause  string
}{
	badRequestLine:    {http.StatusBadRequest, "request.malformed", "the request line is not method, target and version"},
	badTarget:         {http.StatusBadRequest, "request.malformed", "the request target is neither origin-form nor absolute-form"},
	badVersion:        {http.StatusHTTPVersionNotSupported, "request.version", "the version is neither HTTP/1.1 nor HTTP/1.0"},
	unsupportedMethod: {http.StatusNotImplemented, "request.unsupported", "CONNECT is for forward proxies"},
	lineTooLong:       {http.StatusRequestURITooLong, "request.line_too_long", "the request line is over its limit"},
	badStatusLine:     {cause: "the status line is not version, status and reason"},
	badUpgrade:        {cause: "status 101 without an upgrade to one protocol"},
	badInterim:        {cause: "an interim answer with content"},
	headTooLarge:      {http.StatusRequestHeaderFieldsTooLarge, "request.head_too_large", "the head is over its limit"},
	tooManyFields:     {http.StatusRequestHeaderFieldsTooLarge, "request.too_many_fields", "the number of fields is over its limit"},
	badFieldName:      {http.StatusBadRequest, "request.malformed", "a field line does not begin with a token and a colon"},
	disguisedName:     {http.StatusBadRequest, "request.malformed", "a field name has an underscore where a field of framing has a hyphen"},
	badFieldValue:     {http.StatusBadRequest, "request.malformed", "a field value contains a control character, or does not end with CRLF"},
	tooManyOptions:    {http.StatusRequestHeaderFieldsTooLarge, "request.too_many_fields", "Connection names too many fields"},
	badLength:         {http.StatusBadRequest, "request.framing", "Content-Length is not one decimal number"},
	badCoding:         {http.StatusBadRequest, "request.framing", "Transfer-Encoding does not end with chunked, or is repeated"},
	unsupportedCoding: {http.StatusNotImplemented, "request.unsupported", "Transfer-Encoding is more than chunked"},
	codingAndLength:   {http.StatusBadRequest, "request.framing", "both Transfer-Encoding and Content-Length"},
	codingInHTTP10:    {http.StatusBadRequest, "request.framing", "Transfer-Encoding in HTTP/1.0"},
	badHost:           {http.StatusBadRequest, "request.host", "not exactly one valid Host that agrees with the target"},
	badChunk:          {http.StatusBadRequest, "request.framing", "a chunk is malformed"},
	chunkTooLarge:     {http.StatusBadRequest, "request.framing", "a chunk's size is over its limit"},
	badTrailer:        {http.StatusBadRequest, "request.malformed", "a trailer field is malformed"},
	overheadTooLarge:  {http.StatusRequestHeaderFieldsTooLarge, "request.head_too_large", "chunk extensions and trailers are over their limit"},
}

// requestErrors and responseErrors are allocated once, since refusing must be cheap under attack.
var requestErrors, responseErrors = func() (request, response [faultCount]*exchange.Error) {
	for f, d := range faults {
		cause := errors.New(d.cause)
		request[f] = &exchange.Error{Status: d.status, Code: d.code, Source: exchange.FromClient, Close: true, Err: cause}
		response[f] = &exchange.Error{Status: http.StatusBadGateway, Code: "upstream.malformed", Source: exchange.FromUpstream, Err: cause}
	}
	return request, response
}()
