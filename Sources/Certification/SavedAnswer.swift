import Foundation
import Signing
import Wire

/// An answer with all that proves it, as a file that is verified offline, years later, with the
/// subnet's public keys alone: a header for people, a blank line, then the canonical bytes in
/// base64.
package enum SavedAnswer: Hashable, Canonical {
  /// One replica's answer, or equal ones of `f + 1`.
  case answers(QueryRequest, [SignedAnswer])
  case rows(RowsRequest, CertifiedRows)
  case receipt(CertifiedReceipt)

  package func encode(into encoder: inout Encoder) {
    switch self {
    case .answers(let request, let answers):
      encoder.variant(0)
      encoder.value(request)
      encoder.list(answers)
    case .rows(let request, let rows):
      encoder.variant(1)
      encoder.value(request)
      encoder.value(rows)
    case .receipt(let receipt):
      encoder.variant(2)
      encoder.value(receipt)
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    switch try decoder.variant(count: 3) {
    case 0:
      self = .answers(try decoder.value(), try decoder.list(limit: Limits.membersMax))
    case 1: self = .rows(try decoder.value(), try decoder.value())
    default: self = .receipt(try decoder.value())
    }
  }
}

/// What a saved answer says, once it is verified.
package struct CheckedAnswer: Hashable, Sendable {
  /// What was proven, in a sentence: `5 replicas signed equal answers`.
  package let claim: String
  package let pipeline: String
  package let height: Height
  package let time: Moment
  /// nil for a receipt.
  package let table: ResultTable?
  package let receipt: Receipt?
}

extension SavedAnswer {
  private static let firstLine = "quorate saved answer 1"

  /// The file's bytes. Only what follows the blank line counts; the header repeats it for people.
  package var file: [UInt8] {
    let base64 = Data(canonicalBytes).base64EncodedString(options: [
      .lineLength76Characters, .endLineWithLineFeed,
    ])
    // A line break in a name or a query must not end the header.
    let header = [Self.firstLine] + summary.map { "\($0): \($1.replacing(/[\r\n]/, with: " "))" }
    return Array((header + ["", base64, ""]).joined(separator: "\n").utf8)
  }

  private var summary: [(String, String)] {
    switch self {
    case .answers(let request, let answers):
      var asked = ""
      switch request.question {
      case .named(let name): asked = name
      case .sql(let text): asked = text
      case .plan: asked = "the plan of a deploy"
      case .check: asked = "the check of its models"
      case .lineage: asked = "the lineage of its columns"
      }
      let height = answers.first.map { "\($0.content.height)" } ?? "none"
      return [
        ("subnet", request.subnet.hex), ("pipeline", request.pipeline), ("query", asked),
        ("height", height), ("signed by", answers.map { "\($0.replica)" }.joined(separator: " ")),
      ]
    case .rows(let request, let rows):
      return [
        ("subnet", request.subnet.hex), ("pipeline", request.pipeline), ("table", request.table),
        ("height", "\(rows.certificate.height)"), ("rows", "\(rows.rows.count)"),
      ]
    case .receipt(let certified):
      let receipt = certified.proof.receipt
      return [
        ("subnet", certified.certificate.statement.subnet.hex), ("pipeline", receipt.pipeline),
        ("receipt of", receipt.call.hex), ("height", "\(receipt.height)"),
      ]
    }
  }

  /// Reads a file; nothing in it is verified yet.
  /// - Throws: `CheckFault` of the file when it is damaged or something else.
  package init(file bytes: [UInt8]) throws(CheckFault) {
    guard bytes.count <= AnswerLimits.savedBytesMax else {
      throw CheckFault(.file, "it has \(bytes.count) bytes, over \(AnswerLimits.savedBytesMax)")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw CheckFault(.file, "it is not text: give a file that `quorate query --save` wrote")
    }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.first.map(String.init) == Self.firstLine, let blank = lines.firstIndex(of: "")
    else {
      throw CheckFault(
        .file, "it does not begin as a saved answer: give a file that `quorate query --save` wrote")
    }
    guard let raw = Data(base64Encoded: lines[(blank + 1)...].joined()) else {
      throw CheckFault(.file, "it is damaged: what follows the blank line is not base64")
    }
    do throws(Malformed) {
      self = try SavedAnswer(canonicalBytes: Array(raw))
    } catch {
      throw CheckFault(.file, "it is damaged: \(error)")
    }
  }

  /// Checks everything in it against the subnet's committee.
  package func checked(by check: ClientCheck) throws(CheckFault) -> CheckedAnswer {
    switch self {
    case .answers(let request, let answers):
      return try Self.checked(request, answers, by: check)
    case .rows(let request, let rows):
      let proven = try check.check(rows, to: request)
      return CheckedAnswer(
        claim: "\(rows.certificate.signers.count) replicas certified the state, and these are "
          + (proven.complete ? "all the rows asked for" : "the first of the rows asked for"),
        pipeline: request.pipeline, height: proven.height, time: proven.time,
        table: proven.table, receipt: nil)
    case .receipt(let certified):
      let receipt = try check.check(certified, of: nil)
      return CheckedAnswer(
        claim: "\(certified.certificate.signers.count) replicas certified this receipt",
        pipeline: receipt.pipeline, height: receipt.height, time: receipt.time, table: nil,
        receipt: receipt)
    }
  }

  private static func checked(
    _ request: QueryRequest, _ answers: [SignedAnswer], by check: ClientCheck
  ) throws(CheckFault) -> CheckedAnswer {
    if request.trust == .replica, answers.count == 1 {
      let table = try check.check(answers[0], to: request)
      return CheckedAnswer(
        claim: "\(answers[0].replica) signed this answer, and it alone",
        pipeline: request.pipeline, height: answers[0].content.height,
        time: answers[0].content.time, table: table, receipt: nil)
    }
    let content = try check.check(quorum: answers, to: request)
    return CheckedAnswer(
      claim: "at least \(check.committee.faultsMax + 1) replicas signed equal answers",
      pipeline: request.pipeline, height: content.height, time: content.time,
      table: content.result, receipt: nil)
  }
}
