@echo off
rem Windows does not run bin/skel-blender by its first line. Any Python 3 will do here: the script looks for the right one itself.
setlocal
set PYTHON=python
py -3 -V >nul 2>nul
if not errorlevel 1 set PYTHON=py -3
%PYTHON% "%~dp0skel-blender" %*
