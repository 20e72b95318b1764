import Pipelines

/// What lint finds in a package, as programs read it.
struct LintReport: Encodable {
  /// The package's name; empty while it has mistakes.
  let package: String
  /// Whether it may be deployed: notes do not stand in the way.
  let isSound: Bool
  /// Mistakes by file and line, or the notes of a sound package.
  let findings: [Finding]

  struct Finding: Encodable {
    /// Within the package's folder.
    let file: String
    /// From 1; 0 where it is about no line.
    let line: Int
    let column: Int
    /// `QD05`, `SQL04`; empty of what has no number.
    let rule: String
    let severity: String
    let message: String
    let reason: String
    let fix: String

    init(_ fault: PackageFault) {
      file = fault.file
      line = fault.line
      column = fault.column
      rule = fault.rule
      severity = fault.severity.rawValue
      message = fault.message
      reason = fault.excerpt?.reason ?? ""
      fix = fault.fix ?? ""
    }
  }

  init(of directory: String) {
    do throws(PackageFaults) {
      let checked = try PackageReader.readWithTests(PackageFiles(directory: directory)).checked
      package = checked.package.name
      isSound = true
      findings = checked.findings.map(Finding.init)
    } catch {
      package = ""
      isSound = false
      findings = error.list.map(Finding.init)
    }
  }
}
