import Execution
import Wire

extension PipelineMetrics {
  /// Prometheus text, version 0.0.4: a family a metric, named `quorate_metric_NAME_UNIT`, how far
  /// each source has come, and what became of its rows.
  ///
  /// - Parameter now: what ages are counted to.
  func prometheus(at now: Moment) -> String {
    var text = PrometheusText()
    var families: [String] = []
    for reading in readings where !families.contains(reading.family) {
      families.append(reading.family)
    }
    for family in families {
      let members = readings.filter { $0.family == family }
      text.head(family, "gauge", members.first?.help ?? "")
      for reading in members {
        if let value = reading.value { text.line(family, text: value, reading.labels) }
      }
    }
    if !readings.isEmpty {
      text.head(
        "metrics_failed_total", "counter", "Times that a pipeline's metric could not be computed.")
      for reading in readings {
        text.line("metrics_failed_total", reading.failures, reading.labels)
      }
    }
    writeProgress(at: now, &text)
    writeCounts(&text)
    return text.text
  }

  /// Replicated counts, so every replica shows the same at one height. They begin anew where an
  /// upgrade takes a source or an expectation out, and puts it in again.
  private func writeCounts(_ text: inout PrometheusText) {
    let all = counts.map { (["pipeline": $0.pipeline, "source": $0.source.source], $0.source) }
    guard !all.isEmpty else { return }
    text.head("source_rows_total", "counter", "Rows that came to a source, by where they went.")
    for (labels, source) in all {
      for (outcome, rows) in source.outcomes {
        text.line(
          "source_rows_total", rows,
          labels.merging(["outcome": outcome]) { first, _ in first })
      }
    }
    let lines = all.flatMap { labels, source in
      source.expectations.map { count in
        let own = ["expectation": count.name, "action": count.action]
        return (labels.merging(own) { first, _ in first }, count)
      }
    }
    guard !lines.isEmpty else { return }
    text.head(
      "expectation_checks_total", "counter",
      "Rows, or batches, that an expectation of a source looked at.")
    for (labels, count) in lines { text.line("expectation_checks_total", count.checked, labels) }
    text.head(
      "expectation_violations_total", "counter",
      "Rows, or batches, that broke an expectation of a source.")
    for (labels, count) in lines {
      text.line("expectation_violations_total", count.violated, labels)
    }
  }

  private func writeProgress(at now: Moment, _ text: inout PrometheusText) {
    let all = progress.map { (["pipeline": $0.pipeline, "source": $0.source.source], $0.source) }
    guard !all.isEmpty else { return }
    text.head(
      "source_watermark_seconds", "gauge", "Event time below which a row is late, since 1970.")
    for (labels, source) in all {
      guard let watermark = source.watermark else { continue }
      text.line("source_watermark_seconds", watermark / 1_000, labels)
    }
    text.head("source_age_seconds", "gauge", "Seconds since a source last took a row.")
    for (labels, source) in all {
      guard let age = source.age(at: now) else { continue }
      text.line("source_age_seconds", age / 1_000, labels)
    }
    text.head("source_stale", "gauge", "1 where a source is older than its freshness allows.")
    for (labels, source) in all {
      guard let staleness = source.staleness(at: now) else { continue }
      for severity in [SourceProgress.Staleness.warn, .error] {
        let isStale = staleness == .error || staleness == severity
        text.line(
          "source_stale", isStale ? 1 : 0,
          labels.merging(["severity": severity.rawValue]) { first, _ in first })
      }
    }
  }
}

extension PipelineMetrics.Reading {
  /// The unit ends the name, as Prometheus has it, unless it does already. Units are any text, and
  /// a name holds letters, digits and `_`.
  fileprivate var family: String {
    let base = "metric_\(name)"
    let words = unit.split { !$0.isASCII || !($0.isLetter || $0.isNumber) }
    let end = words.map { "_\($0)" }.joined()
    return base.hasSuffix(end) ? base : base + end
  }

  fileprivate var labels: [String: String] { ["metric": name, "pipeline": pipeline] }

  /// One line of plain text.
  fileprivate var help: String {
    let text = about.isEmpty ? "The metric \(name) of a pipeline." : about
    return text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}
