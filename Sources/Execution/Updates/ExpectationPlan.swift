import Pipelines
import Wire

/// The expectations of one source, made ready.
final class ExpectationPlan {
  enum Verdict {
    case pass
    case drop
    case quarantine(String)
  }

  func judge(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32, _ engine: Engine,
    _ budget: inout StepBudget, _ notes: inout NoteTaker
  ) throws(Stop) -> Verdict { .pass }

  func judgeBatch(
    _ engine: Engine, _ budget: inout StepBudget, _ notes: inout NoteTaker
  ) throws(Stop) {}
}

final class ProcedurePlan {
  func emit(
    _ call: OrderedCall, engine: Engine, into plan: SourcePlan, _ budget: inout StepBudget
  ) throws(Stop) -> DecodedBatch { DecodedBatch(columnCount: 0) }
}
