package observe

// Buckets are the upper bounds of gateway_request_duration_seconds.
var Buckets = buckets
