import Foundation
import Testing
import Wire

@testable import quorate

private let home = URL(filePath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

@Suite struct `What programs read of a lint` {
  /// The bank example with a change of its queries.
  private func linted(_ old: String = "", _ new: String = "") throws -> [String: Any] {
    let manager = FileManager.default
    let folder = manager.temporaryDirectory.appending(path: UUID().uuidString)
    defer { try? manager.removeItem(at: folder) }
    try manager.copyItem(
      at: URL(filePath: "\(home)/deploy/pipelines/bank-reconciliation"), to: folder)
    let file = folder.appending(path: "queries/queries.yaml")
    let text = try String(contentsOf: file, encoding: .utf8)
    try #require(old.isEmpty || text.contains(old))
    try Data(text.replacing(old, with: new).utf8).write(to: file)
    let json = try Terminal.json(LintReport(of: folder.path))
    return try #require(
      JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
  }

  @Test func `of a sound package is its name and its notes`() throws {
    let report = try linted()
    #expect(report["isSound"] as? Bool == true)
    #expect(report["package"] as? String == "bank_reconciliation")
    let findings = try #require(report["findings"] as? [[String: Any]])
    #expect(findings.count == 1)
    #expect(findings.first?["severity"] as? String == "note")
    #expect(findings.first?["file"] as? String == "models/gold/_gold.yaml")
    #expect(findings.first?["line"] as? Int == 14)
    #expect((findings.first?["message"] as? String)?.contains("is certified") == true)
  }

  @Test func `of a mistake is its place, its rule, its reason and its fix`() throws {
    let report = try linted("mtr_auto_match') }} order by bank_id", "mtr_auto_match') }} limit 3")
    #expect(report["isSound"] as? Bool == false)
    #expect(report["package"] as? String == "")
    let findings = try #require(report["findings"] as? [[String: Any]])
    let finding = try #require(findings.first)
    #expect(
      finding.keys.sorted() == [
        "column", "file", "fix", "line", "message", "reason", "rule", "severity",
      ])
    #expect(findings.count == 1)
    #expect(finding["file"] as? String == "queries/queries.yaml")
    #expect(finding["line"] as? Int == 26)
    #expect(finding["column"] as? Int == 65)
    #expect(finding["rule"] as? String == "QD05")
    #expect(finding["severity"] as? String == "error")
    #expect(finding["message"] as? String == "LIMIT without ORDER BY")
    #expect(finding["reason"] as? String == "replicas could pick different rows")
    #expect(finding["fix"] as? String == "order by bank_id limit 3")
  }

  @Test func `of a folder that is not there is one mistake about no line`() {
    let report = LintReport(of: "/nowhere/at-all")
    #expect(!report.isSound)
    #expect(report.findings.map(\.message) == ["there is no such folder"])
    #expect(report.findings.map(\.line) == [0])
  }
}

@Suite struct `The rows of sources as people read them` {
  @Test func `are a table of outcomes, and one of expectations`() {
    #expect(SourceRows.text(of: []) == nil)
    var orders = SourceCounts(source: "orders")
    orders.accepted = 1_234
    orders.late = 5
    let bare = SourceRows.text(of: [orders])
    #expect(
      bare?.split(separator: "\n").last
        == "orders     1,234          0        0            0         0     5         0")
    orders.expectations = [
      ExpectationCount(name: "cheap", action: "warn", checked: 2_000, violated: 6)
    ]
    let text = SourceRows.text(of: [orders])
    #expect(text?.hasPrefix((bare ?? "") + "\n\n") == true)
    #expect(
      text?.split(separator: "\n").last == "orders  cheap        warn      2,000         6")
  }
}
