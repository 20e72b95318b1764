import Execution
import Wire

extension PipelineMetrics {
  /// Prometheus text, version 0.0.4: a family a metric, named `quorate_metric_NAME_UNIT`, and how
  /// far each source has come.
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
    return text.text
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
  /// The unit ends the name, as Prometheus has it, unless it does already.
  fileprivate var family: String {
    let base = "metric_\(name)"
    return unit.isEmpty || base.hasSuffix("_\(unit)") ? base : "\(base)_\(unit)"
  }

  fileprivate var labels: [String: String] { ["metric": name, "pipeline": pipeline] }

  /// One line of plain text.
  fileprivate var help: String {
    let text = about.isEmpty ? "The metric \(name) of a pipeline." : about
    return text.replacing("\\", with: "\\\\").replacing("\n", with: " ")
  }
}
