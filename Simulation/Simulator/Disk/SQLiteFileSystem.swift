import CSQLite

/// The C side of `SimulatedDisk`: SQLite's callbacks, each turned into one call of a Swift object.
enum SQLiteFileSystem {
  static let pathBytesMax: Int32 = 512

  static func fill(
    _ target: UnsafeMutablePointer<sqlite3_vfs>, name: UnsafePointer<CChar>, disk: SimulatedDisk
  ) {
    target.pointee.iVersion = 2
    target.pointee.szOsFile = Int32(MemoryLayout<OpenFile>.size)
    target.pointee.mxPathname = pathBytesMax
    target.pointee.zName = name
    target.pointee.pAppData = Unmanaged.passUnretained(disk).toOpaque()
    target.pointee.xOpen = { openFile($0, $1, $2, $3, $4) }
    target.pointee.xDelete = { system, path, _ in
      guard let disk = simulatedDisk(of: system), let path = text(path) else {
        return SQLITE_IOERR
      }
      let machine = disk.machine(of: path)
      guard !machine.down, machine.operate() else { return SQLITE_IOERR }
      machine.delete(path)
      return SQLITE_OK
    }
    target.pointee.xAccess = { system, path, flags, found in
      guard let disk = simulatedDisk(of: system), let path = text(path) else {
        return SQLITE_IOERR
      }
      let file = disk.machine(of: path).file(path)
      found?.pointee = file != nil && (flags != SQLITE_ACCESS_EXISTS || file?.size != 0) ? 1 : 0
      return SQLITE_OK
    }
    target.pointee.xFullPathname = { _, path, count, out in
      guard let path, let out else { return SQLITE_CANTOPEN }
      copyPath(out, count, path)
      return SQLITE_OK
    }
    target.pointee.xDlOpen = { _, _ in nil }
    target.pointee.xDlError = { _, _, _ in }
    target.pointee.xDlSym = { _, _, _ in nil }
    target.pointee.xDlClose = { _, _ in }
    target.pointee.xRandomness = { system, count, out in
      guard let disk = simulatedDisk(of: system), let out else { return 0 }
      for (index, byte) in disk.randomBytes(Int(count)).enumerated() {
        out[index] = CChar(bitPattern: byte)
      }
      return count
    }
    target.pointee.xSleep = { _, microseconds in microseconds }
    target.pointee.xCurrentTime = { system, out in
      let now = simulatedDisk(of: system)?.milliseconds ?? 0
      out?.pointee = 2_440_587.5 + Double(now) / 86_400_000
      return SQLITE_OK
    }
    target.pointee.xGetLastError = { _, _, _ in 0 }
    target.pointee.xCurrentTimeInt64 = { system, out in
      let now = simulatedDisk(of: system)?.milliseconds ?? 0
      out?.pointee = 210_866_760_000_000 + sqlite3_int64(now)
      return SQLITE_OK
    }
  }
}

/// What SQLite holds of an open file; its first field is `sqlite3_file`'s only one.
struct OpenFile {
  var methods: UnsafePointer<sqlite3_io_methods>
  var handle: UnsafeMutableRawPointer
}

/// One open file of one connection.
final class FileHandle {
  /// SQLite's own pointer to the file system does not keep it alive; an open file does.
  let disk: SimulatedDisk
  let file: MemoryFile
  let machine: MachineDisk
  let generation: Int
  var sharedMemory: SharedMemory?
  /// One bit for each shared lock that this handle holds in the WAL index.
  var sharedSlots = 0

  init(disk: SimulatedDisk, file: MemoryFile, machine: MachineDisk) {
    self.disk = disk
    self.file = file
    self.machine = machine
    generation = machine.generation
  }

  /// False when the process that opened it is gone.
  var alive: Bool { generation == machine.generation && !machine.down }

  func write(_ bytes: UnsafeRawPointer, count: Int, at offset: Int) -> Int32 {
    guard alive, machine.operate() else { return QUORATE_SQLITE_IOERR_WRITE }
    if let most = machine.bytesMax, offset + count > file.size,
      machine.bytes - file.size + offset + count > most
    {
      return SQLITE_FULL
    }
    if machine.strayWrites > 0, let stray = machine.stray(from: file, at: offset) {
      stray.file.write(bytes, count: count, at: stray.offset)
    } else {
      file.write(bytes, count: count, at: offset)
    }
    return SQLITE_OK
  }

  func sync() -> Int32 {
    guard alive, machine.operate(), !machine.syncFails else { return QUORATE_SQLITE_IOERR_FSYNC }
    file.sync()
    return SQLITE_OK
  }

  func unmap() {
    guard let memory = sharedMemory else { return }
    memory.give(0..<SharedMemory.lockCount, by: self)
    memory.users -= 1
    if memory.users == 0, file.shared === memory { file.shared = SharedMemory() }
    sharedMemory = nil
  }
}

/// SQLite's table of file methods.
enum FileMethods {
  nonisolated(unsafe) static let table: UnsafePointer<sqlite3_io_methods> = {
    let table = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
    var methods = sqlite3_io_methods()
    methods.iVersion = 2
    addFileMethods(&methods)
    addLockMethods(&methods)
    addSharedMemoryMethods(&methods)
    table.initialize(to: methods)
    return UnsafePointer(table)
  }()

  private static func addFileMethods(_ methods: inout sqlite3_io_methods) {
    methods.xClose = { file in
      guard let file, let handle = openHandle(of: file) else { return SQLITE_OK }
      handle.unmap()
      handle.file.locks.lower(ObjectIdentifier(handle), to: 0)
      let raw = UnsafeMutableRawPointer(file).assumingMemoryBound(to: OpenFile.self)
      Unmanaged<FileHandle>.fromOpaque(raw.pointee.handle).release()
      file.pointee.pMethods = nil
      return SQLITE_OK
    }
    methods.xRead = { file, target, count, offset in
      guard let handle = openHandle(of: file), let target, handle.alive else {
        return QUORATE_SQLITE_IOERR_READ
      }
      let there = handle.file.read(into: target, count: Int(count), at: Int(offset))
      return there == Int(count) ? SQLITE_OK : QUORATE_SQLITE_IOERR_SHORT_READ
    }
    methods.xWrite = { file, source, count, offset in
      guard let handle = openHandle(of: file), let source else { return QUORATE_SQLITE_IOERR_WRITE }
      return handle.write(source, count: Int(count), at: Int(offset))
    }
    methods.xTruncate = { file, size in
      guard let handle = openHandle(of: file), handle.alive, handle.machine.operate() else {
        return SQLITE_IOERR
      }
      handle.file.truncate(to: Int(size))
      return SQLITE_OK
    }
    methods.xSync = { file, _ in openHandle(of: file)?.sync() ?? QUORATE_SQLITE_IOERR_FSYNC }
    methods.xFileSize = { file, size in
      guard let handle = openHandle(of: file), handle.alive else { return SQLITE_IOERR }
      size?.pointee = sqlite3_int64(handle.file.size)
      return SQLITE_OK
    }
    methods.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
    methods.xSectorSize = { _ in Int32(MemoryFile.sectorBytes) }
    methods.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE }
  }

  private static func addLockMethods(_ methods: inout sqlite3_io_methods) {
    methods.xLock = { file, level in
      guard let handle = openHandle(of: file), handle.alive else { return SQLITE_IOERR }
      return handle.file.locks.raise(ObjectIdentifier(handle), to: level) ? SQLITE_OK : SQLITE_BUSY
    }
    methods.xUnlock = { file, level in
      guard let handle = openHandle(of: file) else { return SQLITE_OK }
      handle.file.locks.lower(ObjectIdentifier(handle), to: level)
      return SQLITE_OK
    }
    methods.xCheckReservedLock = { file, result in
      guard let handle = openHandle(of: file), handle.alive else { return SQLITE_IOERR }
      result?.pointee = handle.file.locks.reserved ? 1 : 0
      return SQLITE_OK
    }
  }

  private static func addSharedMemoryMethods(_ methods: inout sqlite3_io_methods) {
    methods.xShmMap = { file, index, bytes, extend, result in
      guard let handle = openHandle(of: file), handle.alive else { return SQLITE_IOERR }
      if handle.sharedMemory == nil {
        handle.sharedMemory = handle.file.shared
        handle.file.shared.users += 1
      }
      result?.pointee = handle.sharedMemory?.region(
        Int(index), bytes: Int(bytes), extend: extend != 0)
      return SQLITE_OK
    }
    methods.xShmLock = { file, offset, count, flags in
      guard let handle = openHandle(of: file), let memory = handle.sharedMemory, handle.alive else {
        return SQLITE_IOERR
      }
      let slots = Int(offset)..<Int(offset + count)
      if flags & SQLITE_SHM_UNLOCK != 0 {
        memory.give(slots, by: handle)
        return SQLITE_OK
      }
      let exclusive = flags & SQLITE_SHM_EXCLUSIVE != 0
      return memory.take(slots, exclusive: exclusive, by: handle) ? SQLITE_OK : SQLITE_BUSY
    }
    methods.xShmBarrier = { _ in }
    methods.xShmUnmap = { file, _ in
      openHandle(of: file)?.unmap()
      return SQLITE_OK
    }
  }
}

private func simulatedDisk(of system: UnsafeMutablePointer<sqlite3_vfs>?) -> SimulatedDisk? {
  guard let context = system?.pointee.pAppData else { return nil }
  return Unmanaged<SimulatedDisk>.fromOpaque(context).takeUnretainedValue()
}

private func text(_ bytes: UnsafePointer<CChar>?) -> String? {
  bytes.map { String(cString: $0) }
}

private func copyPath(
  _ out: UnsafeMutablePointer<CChar>, _ count: Int32, _ path: UnsafePointer<CChar>
) {
  var index = 0
  while index < Int(count) - 1, path[index] != 0 {
    out[index] = path[index]
    index += 1
  }
  out[index] = 0
}

private func openFile(
  _ system: UnsafeMutablePointer<sqlite3_vfs>?, _ path: UnsafePointer<CChar>?,
  _ target: UnsafeMutablePointer<sqlite3_file>?, _ flags: Int32,
  _ outFlags: UnsafeMutablePointer<Int32>?
) -> Int32 {
  guard let disk = simulatedDisk(of: system), let target else { return SQLITE_CANTOPEN }
  target.pointee.pMethods = nil
  let file: MemoryFile
  let machine: MachineDisk
  if let path = text(path) {
    machine = disk.machine(of: path)
    guard !machine.down else { return SQLITE_CANTOPEN }
    if let found = machine.file(path) {
      file = found
    } else {
      guard flags & SQLITE_OPEN_CREATE != 0 else { return SQLITE_CANTOPEN }
      file = machine.makeFile(path)
    }
  } else {
    machine = disk.machine("temporary")
    file = MemoryFile(path: "")
  }
  let handle = FileHandle(disk: disk, file: file, machine: machine)
  let raw = UnsafeMutableRawPointer(target)
  raw.initializeMemory(
    as: OpenFile.self,
    to: OpenFile(
      methods: FileMethods.table, handle: Unmanaged.passRetained(handle).toOpaque()))
  outFlags?.pointee = flags
  return SQLITE_OK
}

@inline(__always)
private func openHandle(of file: UnsafeMutablePointer<sqlite3_file>?) -> FileHandle? {
  guard let file else { return nil }
  let raw = UnsafeMutableRawPointer(file).assumingMemoryBound(to: OpenFile.self)
  return Unmanaged<FileHandle>.fromOpaque(raw.pointee.handle).takeUnretainedValue()
}
