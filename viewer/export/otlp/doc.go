// Package otlp sends what grove knows to OpenTelemetry collectors, in OTLP over HTTP
// with protobuf (opentelemetry.io/docs/specs/otlp): the values and statuses of the tree
// as metrics at an interval, and notifications as log records when they happen.
//
// OpenTelemetry's own exporters do the sending. Metrics are a moment's picture: one
// that could not be sent is not sent later. Log records wait in a bounded queue for a
// collector that is away; the oldest go first when it is full, and are counted.
package otlp
