// Package measure has the numbers of SAP's CCMS: values as whole numbers with a number of
// decimals, units of four characters, averages over minutes, and thresholds with four
// borders.
package measure
