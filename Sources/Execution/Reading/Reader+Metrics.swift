import Certification
import Pipelines
import Wire

/// What packages let operators watch, at the newest certified height that can be read here.
package struct PipelineMetrics: Sendable {
  package var height: Height = 0
  /// Ascending by pipeline, then by name.
  package var readings: [Reading] = []
  /// Ascending by pipeline, then by source.
  package var progress: [(pipeline: String, source: SourceProgress)] = []
  /// Ascending by pipeline, then by source.
  package var counts: [(pipeline: String, source: SourceCounts)] = []

  package struct Reading: Sendable {
    package let pipeline: String
    package let name: String
    package let unit: String
    package let about: String
    /// A whole number or a decimal, as text; nil where the SELECT gives null or no row, or failed.
    package internal(set) var value: String?
    /// How often computing it failed since this replica started.
    package internal(set) var failures: UInt64

    package init(
      pipeline: String, name: String, unit: String, about: String, value: String?, failures: UInt64
    ) {
      self.pipeline = pipeline
      self.name = name
      self.unit = unit
      self.about = about
      self.value = value
      self.failures = failures
    }
  }

  package init() {}
}

/// What the metrics of one pipeline came to, and of which state of its file.
struct KnownMetrics: Sendable {
  var since: Height?
  var package = Digest.zero
  var readings: [PipelineMetrics.Reading] = []
}

extension CheckedMetric {
  /// What `/metrics` shows everyone may ask for; the rest is the owner's.
  var allow: [Grant] { metric.prometheus ? [.anyone] : [] }
}

extension Reader {
  /// Computes the metrics that packages expose to Prometheus. Those of a pipeline that no block has
  /// changed since the last look are not computed again.
  ///
  /// - Bound: `ExecutionLimits.stepsPerMetric` steps each, and together the time of one query; what
  ///   runs over counts as a failure.
  package func metrics() -> PipelineMetrics {
    var result = PipelineMetrics()
    guard let view = try? self.view(at: nil, proven: false) else { return result }
    result.height = view.height
    let brake = self.brake
    var kept: [(pipeline: String, known: KnownMetrics)] = []
    for pipeline in view.pipelines {
      result.progress += pipeline.progress.map { (pipeline.name, $0) }
      // Counts come whole or not at all: where they cannot be read now, the next look tells more.
      let counts = try? pipeline.pin.with { engine throws(Stop) in try pipeline.counts(engine) }
      result.counts += (counts ?? []).map { (pipeline.name, $0) }
      let known = refreshed(knownMetrics(of: pipeline.name), of: pipeline, view, brake)
      result.readings += known.readings
      kept.append((pipeline.name, known))
    }
    keep(kept)
    return result
  }

  private func refreshed(
    _ known: KnownMetrics, of pipeline: PipelineView, _ view: HeightView,
    _ isOverTime: (() -> Bool)?
  ) -> KnownMetrics {
    let isSame = known.since == pipeline.since && known.package == pipeline.digest
    var next = KnownMetrics(since: pipeline.since, package: pipeline.digest)
    for checked in pipeline.checked.metrics where checked.metric.prometheus {
      let before = known.readings.first { $0.name == checked.name }
      if isSame, !checked.dependsOnTime, let before {
        next.readings.append(before)
        continue
      }
      var reading = PipelineMetrics.Reading(
        pipeline: pipeline.name, name: checked.name, unit: checked.metric.unit,
        about: checked.metric.description, value: nil, failures: before?.failures ?? 0)
      do throws(Refusal) {
        reading.value = try value(of: checked, pipeline, view, isOverTime)
      } catch {
        reading.failures += 1
      }
      next.readings.append(reading)
    }
    return next
  }

  private func value(
    of metric: CheckedMetric, _ pipeline: PipelineView, _ view: HeightView,
    _ isOverTime: (() -> Bool)?
  ) throws(Refusal) -> String? {
    let asked = Asked(metric, of: pipeline, caller: nil, false)
    let table = try answering { () throws(Stop) in
      try pipeline.pin.with { engine throws(Stop) in
        try asked.run(on: engine, time: view.time, isOverTime: isOverTime)
      }
    }
    guard let value = table.rows.first?.first else { return nil }
    switch value {
    case .null: return nil
    // What stands in /metrics is never a text that somebody sent.
    case .text, .bytes: throw Refusal("QD48", "\(metric.name) gives \(value.kind), no number")
    case .int(let number):
      guard case .decimal = table.columns[0].type else { return String(number) }
      return table.columns[0].type.text(of: value)
    }
  }
}
