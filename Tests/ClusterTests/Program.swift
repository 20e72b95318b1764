import Foundation
import Testing

/// The program that was built beside these tests; nil when only tests were built.
enum Program {
  static let url: URL? = {
    let beside = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appending(path: "quorate")
    return FileManager.default.isExecutableFile(atPath: beside.path) ? beside : nil
  }()

  /// The folder of Package.swift.
  static let home = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// How a command ended, and what it said.
  struct Ended {
    let status: Int32
    let output: String
    let errors: String
  }

  /// Runs a program to its end.
  ///
  /// - Parameter variables: of the environment, as they are to be; nil takes one out.
  static func run(
    _ executable: URL, _ arguments: [String], in folder: URL? = nil,
    variables: [String: String?]
  ) throws -> Ended {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    if let folder { process.currentDirectoryURL = folder }
    var environment = ProcessInfo.processInfo.environment
    for (name, value) in variables { environment[name] = value }
    process.environment = environment
    let (output, errors) = (Pipe(), Pipe())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let said = output.fileHandleForReading.readDataToEndOfFile()
    let wrong = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Ended(
      status: process.terminationStatus, output: String(decoding: said, as: UTF8.self),
      errors: String(decoding: wrong, as: UTF8.self))
  }
}

extension ProcessCluster {
  /// Runs `quorate` with this cluster's folder, as a person would.
  func quorate(_ arguments: String..., more: [String] = []) throws -> Program.Ended {
    try Program.run(
      try #require(Program.url), arguments + more,
      variables: ["QUORATE_CLUSTER": folder.path, "QUORATE_IDENTITY": nil])
  }
}

/// Somebody with a shell in an empty folder, and `quorate` on the PATH.
final class NewUser {
  let folder: URL
  var cluster: URL { folder.appending(path: "quorate-cluster") }

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(
      path: "quorate-user-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit {
    // Where a test broke off, its replicas still run.
    if FileManager.default.fileExists(atPath: cluster.path) {
      _ = try? run("quorate cluster down --wipe")
    }
    try? FileManager.default.removeItem(at: folder)
  }

  /// Runs a line of shell.
  func run(_ line: String) throws -> Program.Ended {
    let programs = try #require(Program.url).deletingLastPathComponent().path
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return try Program.run(
      URL(filePath: "/bin/sh"), ["-e", "-c", line], in: folder,
      variables: [
        "PATH": "\(programs):\(path)", "QUORATE_CLUSTER": nil, "QUORATE_IDENTITY": nil,
      ])
  }

  /// The ids of the processes that `quorate cluster up` started.
  func replicas() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: cluster.path).compactMap { name in
      let file = cluster.appending(path: "\(name)/replica.pid")
      return try? String(contentsOf: file, encoding: .utf8).trimmingCharacters(in: .newlines)
    }
  }

  /// Whether a process is one of this user's replicas.
  func owns(_ process: String) -> Bool {
    guard let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else {
      return false
    }
    return String(decoding: line, as: UTF8.self).contains(folder.path)
  }
}
