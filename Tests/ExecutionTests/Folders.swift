import Foundation

/// The folders of this package, wherever the tests run from.
enum Folders {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  static func pipeline(_ name: String) -> String { "\(root)/deploy/pipelines/\(name)" }
}
