"""The viewer: thin Qt round headless things.

:mod:`workspace` holds everything the user has, :mod:`guide` says what to do next, :mod:`display`
makes pictures of micrographs, :mod:`layers` draws the workspace into a viewer (no Qt in any of
these four); :mod:`form`, :mod:`plots` and the panels are widgets without numbers of their own;
:mod:`job_bar` owns all workers; :mod:`main` connects them.
"""
