# Each tests/unit/test_*.c is a program and a ctest of that name; tests/support/*.c is linked into all of them.
# They run in the source folder and learn from the environment where things are:
#   CA_SOURCE_DIR   this checkout         CA_BUILD_DIR    the build's folder
#   CA_WORKER_DIR   the folder of codeanatomy_worker.abi3.so
# Not with detect_stack_use_after_return: gcc 12 gives its frames less alignment than xxHash's state asks for.

file(GLOB test_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/test_*.c)
file(GLOB support_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.c)
set(test_includes ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/tests ${CA_GEN_DIR})
set(test_libraries ca_flags ca_link_flags ca_everything ca::cmocka ca::glib ca::jansson ca::fyaml ca::git2 ca::nanoarrow
    ca::treesitter ca::xxhash)
if(support_sources)
    add_library(ca_test_support STATIC ${support_sources})
    target_include_directories(ca_test_support PRIVATE ${test_includes})
    target_link_libraries(ca_test_support PRIVATE ${test_libraries})
    add_dependencies(ca_test_support ca_generated_headers)
    list(PREPEND test_libraries ca_test_support)
endif()

foreach(source IN LISTS test_sources)
    cmake_path(GET source STEM name)
    set(left_out FALSE)
    foreach(room IN LISTS CA_ROOMS_LEFT_OUT)
        string(REPLACE "/" "_" room_name ${room})
        if(name MATCHES "^test_${room_name}(_|$)")
            set(left_out TRUE)
        endif()
    endforeach()
    if(left_out)
        message(STATUS "${name} is left out: its room needs the engine")
        continue()
    endif()
    add_executable(${name} ${source})
    target_include_directories(${name} PRIVATE ${test_includes})
    target_link_libraries(${name} PRIVATE ${test_libraries})
    add_dependencies(${name} ca_generated_headers)
    if(TARGET codeanatomy_worker)
        add_dependencies(${name} codeanatomy_worker)
    endif()
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES
        TIMEOUT 300
        ENVIRONMENT "CA_SOURCE_DIR=${CMAKE_SOURCE_DIR};CA_BUILD_DIR=${CMAKE_BINARY_DIR};CA_WORKER_DIR=${CA_OUTPUT_DIR}/lib/codeanatomy;ASAN_OPTIONS=strict_string_checks=1;UBSAN_OPTIONS=print_stacktrace=1;LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/lsan.supp:print_suppressions=0")
endforeach()

# The corpus of a fuzz target, replayed: what a fuzzer found stays found, without clang or a fuzzer.
file(GLOB corpora CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/*)
foreach(corpus IN LISTS corpora)
    cmake_path(GET corpus FILENAME target)
    set(name replay_${target})
    add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_${target}.c ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
    target_include_directories(${name} PRIVATE ${test_includes})
    target_link_libraries(${name} PRIVATE ${test_libraries})
    add_dependencies(${name} ca_generated_headers)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name} ${corpus})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300
        ENVIRONMENT "ASAN_OPTIONS=strict_string_checks=1;UBSAN_OPTIONS=print_stacktrace=1;LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/lsan.supp:print_suppressions=0")
endforeach()
