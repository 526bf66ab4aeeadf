# The library, the program, the worker extension, and what `make install` puts where.

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CA_OUTPUT_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CA_OUTPUT_DIR}/lib)
ca_room_targets(room_targets)

# All rooms at once, for tests and fuzzers; their own dependencies put them in order.
add_library(ca_everything INTERFACE)
target_link_libraries(ca_everything INTERFACE ${room_targets} ${CA_GENERATED_LIBS})

# ---- libcodeanatomy.so: the functions that include/codeanatomy declares are its symbols, and nothing else ----------------

if("session" IN_LIST CA_ROOMS)
    file(GLOB public_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/codeanatomy/*.h)
    set(exports "")
    foreach(header IN LISTS public_headers)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
        file(STRINGS ${header} lines REGEX "^[a-z].*[ *]ca_[a-z0-9_]+\\(")
        foreach(line IN LISTS lines)
            if(NOT line MATCHES "^(typedef|static)" AND line MATCHES "[ *](ca_[a-z0-9_]+)\\(")
                list(APPEND exports ${CMAKE_MATCH_1})
            endif()
        endforeach()
    endforeach()
    list(JOIN exports "; " exported)
    set(version_script ${CMAKE_BINARY_DIR}/libcodeanatomy.map)
    file(CONFIGURE OUTPUT ${version_script} CONTENT "CODEANATOMY_0 { global: ${exported}; local: *; };\n" @ONLY)

    # The public functions are what is asked of the archives; everything else comes because something calls it.
    list(TRANSFORM exports PREPEND "LINKER:--undefined=" OUTPUT_VARIABLE demanded)
    add_library(codeanatomy SHARED ${CMAKE_SOURCE_DIR}/cmake/empty.c)
    target_link_libraries(codeanatomy PRIVATE ca_flags ca_link_flags ${room_targets} ${CA_GENERATED_LIBS})
    target_include_directories(codeanatomy PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>)
    target_link_options(codeanatomy PRIVATE ${demanded} LINKER:--version-script=${version_script})
    if(NOT CA_SANITIZE)
        target_link_options(codeanatomy PRIVATE LINKER:-z,defs)
    endif()
    set_target_properties(codeanatomy PROPERTIES
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${version_script})
    if(CA_ENGINE STREQUAL "shared")
        set_target_properties(codeanatomy PROPERTIES INSTALL_RPATH "\$ORIGIN")
    else()
        set_target_properties(codeanatomy PROPERTIES BUILD_WITH_INSTALL_RPATH ON)
    endif()
    install(TARGETS codeanatomy LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/codeanatomy DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")
    if(CA_ENGINE STREQUAL "shared")
        install(FILES ${CA_ENGINE_DIR}/libcadf.so DESTINATION ${CMAKE_INSTALL_LIBDIR})
    endif()
    # Relative to its own folder, so that it is right wherever `cmake --install --prefix` puts it.
    file(RELATIVE_PATH prefix_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
    string(REGEX REPLACE "/$" "" prefix_from_pc ${prefix_from_pc})
    configure_file(${CMAKE_SOURCE_DIR}/cmake/codeanatomy.pc.in ${CMAKE_BINARY_DIR}/codeanatomy.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/codeanatomy.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

    # ---- the program -------------------------------------------------------------------------------------------------
    file(GLOB cli_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cli/*.c)
    if(cli_sources)
        add_executable(codeanatomy_program ${cli_sources})
        target_include_directories(codeanatomy_program PRIVATE ${CMAKE_SOURCE_DIR}/cli)
        target_link_libraries(codeanatomy_program PRIVATE ca_flags ca_link_flags codeanatomy ca::glib ca::edit ca::jansson)
        # In the build bin/ and lib/ are neighbours; where they are installed may differ.
        file(RELATIVE_PATH lib_from_bin ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
        set(program_rpath "\$ORIGIN/../lib" "\$ORIGIN/${lib_from_bin}")
        list(REMOVE_DUPLICATES program_rpath)
        set_target_properties(codeanatomy_program PROPERTIES
            OUTPUT_NAME codeanatomy BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "${program_rpath}")
        install(TARGETS codeanatomy_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    endif()
endif()

# ---- the worker: loads into any CPython from 3.9 on, so the stable ABI, and no sanitizer, whose runtime the interpreter
# ---- has not. It compiles its own copy of the pure-C rooms for that reason.

file(GLOB worker_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/worker/*.c)
if(worker_sources)
    include(${CMAKE_SOURCE_DIR}/cmake/python.cmake)
    file(GLOB position_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/position/*.c)
    add_library(codeanatomy_worker MODULE ${worker_sources} ${position_sources} ${row_sources})
    target_compile_definitions(codeanatomy_worker PRIVATE Py_LIMITED_API=0x03090000)
    target_include_directories(codeanatomy_worker PRIVATE
        ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/worker ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include ${CA_GEN_DIR})
    target_include_directories(codeanatomy_worker SYSTEM PRIVATE ${CA_PYTHON_INCLUDE})
    target_link_libraries(codeanatomy_worker PRIVATE ca_plain ca::nanoarrow ca::xxhash)
    target_link_options(codeanatomy_worker PRIVATE LINKER:--exclude-libs,ALL LINKER:--gc-sections)
    add_dependencies(codeanatomy_worker ca_generated_headers)
    set_target_properties(codeanatomy_worker PROPERTIES
        PREFIX "" SUFFIX ".abi3.so" C_VISIBILITY_PRESET hidden LIBRARY_OUTPUT_DIRECTORY ${CA_OUTPUT_DIR}/lib/codeanatomy)
    install(TARGETS codeanatomy_worker LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/codeanatomy)
endif()

# ---- the native part of the Python package python/, beside the library as the worker is: the package is the same for every
# ---- CPython from 3.9 on, and finds it by the library. It has no sanitizer for the same reason.

file(GLOB capsule_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/python/native/*.c)
if(TARGET codeanatomy AND capsule_sources)
    include(${CMAKE_SOURCE_DIR}/cmake/python.cmake)
    add_library(codeanatomy_capsule MODULE ${capsule_sources})
    target_compile_definitions(codeanatomy_capsule PRIVATE Py_LIMITED_API=0x03090000)
    target_include_directories(codeanatomy_capsule SYSTEM PRIVATE ${CA_PYTHON_INCLUDE})
    target_link_libraries(codeanatomy_capsule PRIVATE ca_plain codeanatomy ca::nanoarrow)
    target_link_options(codeanatomy_capsule PRIVATE LINKER:--exclude-libs,ALL LINKER:--gc-sections)
    set_target_properties(codeanatomy_capsule PROPERTIES
        PREFIX "" SUFFIX ".abi3.so" C_VISIBILITY_PRESET hidden LIBRARY_OUTPUT_DIRECTORY ${CA_OUTPUT_DIR}/lib/codeanatomy
        BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "\$ORIGIN/..")
    install(TARGETS codeanatomy_capsule LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/codeanatomy)
endif()
