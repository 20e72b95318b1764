import Foundation
import Testing

/// The project's own text files, read once.
struct SourceTree: Sendable {
  struct File: Sendable, CustomTestStringConvertible {
    /// Relative to the package.
    let path: String
    let lines: [String]
    var testDescription: String { path }
  }

  let root: URL
  let swift: [File]

  static let shared = SourceTree()

  private init() {
    root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    var files: [File] = []
    for folder in ["Sources", "Simulation", "Tests"] {
      let base = root.appending(path: folder)
      let found = FileManager.default.enumerator(atPath: base.path)
      while let path = found?.nextObject() as? String {
        guard path.hasSuffix(".swift"),
          let text = try? String(contentsOf: base.appending(path: path), encoding: .utf8)
        else { continue }
        files.append(File(path: "\(folder)/\(path)", lines: text.components(separatedBy: "\n")))
      }
    }
    files.append(
      File(
        path: "Package.swift",
        lines: ((try? String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8))
          ?? "").components(separatedBy: "\n")))
    swift = files.sorted { $0.path < $1.path }
  }

  func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  func names(in folder: String, suffix: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
      .filter { $0.hasSuffix(suffix) && !$0.hasPrefix(".") }.sorted()
  }

  /// Files of the value modules and of Execution, where nothing may differ from one process to
  /// the next.
  var deterministic: [File] {
    let folders = [
      "Wire", "Metering", "Certification", "Consensus", "Replication", "SQL", "Pipelines",
      "Execution",
    ]
    return swift.filter { file in folders.contains { file.path.hasPrefix("Sources/\($0)/") } }
  }
}
