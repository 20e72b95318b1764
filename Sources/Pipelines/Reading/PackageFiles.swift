import Foundation

/// The files of a package's folder, in memory, ascending by path.
package struct PackageFiles: Sendable {
  package struct File: Sendable {
    /// Within the folder, with `/`.
    package let path: String
    package let bytes: [UInt8]

    package init(path: String, bytes: [UInt8]) {
      self.path = path
      self.bytes = bytes
    }
  }

  package let files: [File]

  package init(_ files: [File]) { self.files = files.sorted { $0.path < $1.path } }

  /// The folders that a package has; files elsewhere, such as a README, are none of its business.
  static let folders = ["sources", "models", "procedures", "queries", "seeds", "tests"]

  /// Reads `pipeline.yaml` and every YAML, SQL, CSV and NDJSON file of the known folders.
  package init(directory: String) throws(PackageFaults) {
    let manager = FileManager.default
    var isDirectory: ObjCBool = false
    guard manager.fileExists(atPath: directory, isDirectory: &isDirectory), isDirectory.boolValue
    else {
      throw PackageFaults([PackageFault(file: directory, message: "there is no such folder")])
    }
    var paths: [String] = []
    if manager.fileExists(atPath: directory + "/pipeline.yaml") { paths.append("pipeline.yaml") }
    for folder in Self.folders {
      guard let tree = manager.enumerator(atPath: directory + "/" + folder) else { continue }
      for case let path as String in tree where Self.isRead(path) {
        paths.append(folder + "/" + path)
        guard paths.count <= PackageLimits.filesMax else {
          throw PackageFaults([
            PackageFault(file: folder, message: "over \(PackageLimits.filesMax) files")
          ])
        }
      }
    }
    var files: [File] = []
    var faults: [PackageFault] = []
    for path in paths {
      if let content = manager.contents(atPath: directory + "/" + path) {
        files.append(File(path: path, bytes: Array(content)))
      } else {
        faults.append(PackageFault(file: path, message: "the file cannot be read"))
      }
    }
    guard faults.isEmpty else { throw PackageFaults(faults) }
    self.init(files)
  }

  private static func isRead(_ path: String) -> Bool {
    let name = path.split(separator: "/").last ?? ""
    guard !name.hasPrefix(".") else { return false }
    return [".yaml", ".yml", ".sql", ".csv", ".ndjson"].contains { name.hasSuffix($0) }
  }

  func file(_ path: String) -> File? { files.first { $0.path == path } }

  func paths(in folder: String, ending suffix: String) -> [String] {
    files.map(\.path).filter { $0.hasPrefix(folder + "/") && $0.hasSuffix(suffix) }
  }
}
