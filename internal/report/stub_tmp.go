package report

import "bufio"

func writeTable(w *bufio.Writer, d *document) error    { return writeJSON(w, d) }
func writeMarkdown(w *bufio.Writer, d *document) error { return writeJSON(w, d) }
func writeHTML(w *bufio.Writer, d *document) error     { return writeJSON(w, d) }
func writeSARIF(w *bufio.Writer, d *document) error    { return writeJSON(w, d) }
