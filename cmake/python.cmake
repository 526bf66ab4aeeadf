# CA_PYTHON_INCLUDE: the folder of Python.h. Any version from 3.9 on will do, since the worker keeps to the stable ABI; the
# interpreter on PATH is asked first, then the system's.
if(NOT CA_PYTHON_INCLUDE)
    foreach(python python3 /usr/bin/python3)
        execute_process(
            COMMAND ${python} -c "import sysconfig; print(sysconfig.get_path('include'), end='')"
            OUTPUT_VARIABLE include RESULT_VARIABLE status ERROR_QUIET)
        if(status EQUAL 0 AND EXISTS ${include}/Python.h)
            set(CA_PYTHON_INCLUDE ${include} CACHE PATH "folder of Python.h")
            break()
        endif()
    endforeach()
endif()
if(NOT CA_PYTHON_INCLUDE)
    message(FATAL_ERROR "no Python.h: install python3-dev (make setup does), or set -DCA_PYTHON_INCLUDE=DIR")
endif()
