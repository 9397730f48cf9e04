package push

// The receiver's own metrics, beside those of Stats.
const (
	metricSize     = "grove_push_request_size_bytes"
	metricReadings = "grove_push_request_readings"
	metricDuration = "grove_push_request_duration_seconds"
)

// MetricHelp says what the metrics are that a Receiver counts in Options.Own.
func MetricHelp() map[string]string {
	return map[string]string{
		metricSize:     "Size of the bodies that were pushed.",
		metricReadings: "Readings of a request that could be read.",
		metricDuration: "How long the readings of a request took on their way into the tree, from the whole body to the answer.",
	}
}
